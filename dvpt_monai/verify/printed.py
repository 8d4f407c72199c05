"""What was found, for people: an overview, then each kind of fault with its files, the reason and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from itertools import groupby

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dvpt_monai.verify.finding import SUBJECTS, Finding
from dvpt_monai.verify.fixes import Fixed
from dvpt_monai.verify.overview import overview
from dvpt_monai.verify.report import Report

__all__ = ["table"]

SHOWN = 4
"""Files of a kind that are named; the rest are counted."""
_STYLES = {"fatal": "bold red", "warning": "yellow", "ok": "green"}


def table(report: Report, fixed: Sequence[Fixed] = (), colour: bool = False, width: int = 100) -> str:
    """A report, and what `fix` did, as text.

    Args:
        report: of `verify`.
        fixed: of `fix`.
        colour: whether the text is for a terminal that shows colours.
        width: of the lines.
    """
    page = StringIO()
    console = Console(file=page, width=width, force_terminal=colour, highlight=False, legacy_windows=False)
    _print_overview(console, report)
    for fatal, heading in ((True, "Fatal: with these, results are wrong"), (False, "Warnings: look at these")):
        findings = [finding for finding in report.findings if finding.kind.fatal is fatal]
        if findings:
            level = "fatal" if fatal else "warning"
            console.print()
            console.print(Rule(Text(heading, _STYLES[level]), align="left", style="dim"))
        for _, alike in groupby(findings, key=lambda finding: finding.kind):
            _print_kind(console, report, list(alike))
    if fixed:
        _print_fixed(console, report, fixed)
    console.print()
    console.print(_verdict(report))
    return "".join(line.rstrip() + "\n" for line in page.getvalue().splitlines())


def _print_overview(console: Console, report: Report) -> None:
    count = len(report.facts)
    grid = _grid((1, None), (0, "right"))
    head = Text.assemble((report.data.root.resolve().name, "bold"), f": {count:,} cases, {report.data.layout}")
    grid.add_row(head, Text(f"{report.seconds:.1f} s, {_counted(report.workers, 'process', 'processes')}", "dim"))
    console.print(grid)
    console.print()
    lines = overview(report)
    grid = _grid((0, None), (1, None), (0, "right"))
    for subject in SUBJECTS:
        findings = [finding for finding in report.findings if finding.kind.subject == subject]
        if subject in lines or findings:
            grid.add_row(Text(f"  {subject:<13}"), Text(lines.get(subject, "")), _result(findings))
    console.print(grid)


def _result(findings: Sequence[Finding]) -> Text:
    fatal = sum(finding.kind.fatal for finding in findings)
    counts = [(f"{fatal} fatal", "fatal")] if fatal else []
    rest = len(findings) - fatal
    counts += [(_counted(rest, "warning", "warnings"), "warning")] if rest else []
    words = [Text(word, _STYLES[level]) for word, level in counts or [("ok", "ok")]]
    return Text(", ").join(words)


def _print_kind(console: Console, report: Report, findings: Sequence[Finding]) -> None:
    kind = findings[0].kind
    level = "fatal" if kind.fatal else "warning"
    console.print()
    grid = _grid((1, None), (0, "right"))
    files = len({finding.file for finding in findings})
    grid.add_row(
        Text.assemble("  ", (kind.title, _STYLES[level]), ("  " + kind.code, "dim")),
        Text(_counted(files, "file", "files") if files > 1 or findings[0].file.is_file() else "", "dim"),
    )
    console.print(grid)
    grid = Table.grid(padding=(0, 2, 0, 0), expand=False)
    grid.add_column(overflow="fold", max_width=46)
    grid.add_column(overflow="fold")
    for finding in findings[:SHOWN]:
        name = "" if finding.file == report.data.root else _shortened(report.data.below(finding.file))
        grid.add_row(Text(f"    {name}" if name else "    the data set"), Text(finding.what))
    console.print(grid)
    if len(findings) > SHOWN:
        console.print(Text(f"    and {len(findings) - SHOWN:,} more; --json lists all", "dim"))
    _print_advice(console, {"why": kind.why, "do": kind.remedy})


def _print_advice(console: Console, advice: dict[str, str]) -> None:
    grid = _grid((0, None), (1, None))
    for head, text in advice.items():
        grid.add_row(Text(f"    {head:<5}", "dim"), Text(text, "italic" if head == "do" else "dim"))
    console.print(grid)


def _print_fixed(console: Console, report: Report, fixed: Sequence[Fixed]) -> None:
    for heading, several in (
        ("Corrected copies", [each for each in fixed if each.copy]),
        ("Left as they are", [each for each in fixed if not each.copy]),
    ):
        if not several:
            continue
        console.print()
        console.print(
            Rule(Text(f"{heading}: {_counted(len(several), 'file', 'files')}", "bold"), align="left", style="dim")
        )
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(overflow="fold", max_width=46)
        grid.add_column(overflow="fold")
        shown = several if several[0].copy else several[:SHOWN]
        for each in shown:
            grid.add_row(Text(f"    {_shortened(str(each.copy or report.data.below(each.file)))}"), Text(each.what))
        console.print(grid)
        if len(several) > len(shown):
            console.print(Text(f"    and {len(several) - len(shown):,} more", "dim"))


def _verdict(report: Report) -> Text:
    fatal, warnings = len(report.fatal), len(report.findings) - len(report.fatal)
    noticed = _counted(warnings, "warning", "warnings")
    if fatal:
        return Text(f"{fatal} fatal, {noticed}: mend the fatal ones before you train or predict", _STYLES["fatal"])
    if warnings:
        return Text(f"Nothing fatal, {noticed}", _STYLES["warning"])
    return Text("Nothing found", _STYLES["ok"])


def _grid(*columns: tuple[int, str | None]) -> Table:
    """A table without lines, of the width of the page; columns are (ratio, justification)."""
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for ratio, justify in columns:
        grid.add_column(ratio=ratio or None, justify="right" if justify else "left", no_wrap=not ratio)
    return grid


def _shortened(name: str, width: int = 42) -> str:
    """A path whose beginning gives way, since its end tells files apart."""
    return name if len(name) <= width else "..." + name[3 - width :]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
