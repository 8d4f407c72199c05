"""Compare tuning methods on one bundle: search, refit, score, and say what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvpt_monai.compare.bundle import Bundle, logged
from dvpt_monai.compare.entrants import Entrant
from dvpt_monai.compare.printed import WIDTH, alike, cells, command, failures, markdown, table
from dvpt_monai.compare.recommend import advice, chances, choice, scored_rows
from dvpt_monai.compare.scores import Scores, scores
from dvpt_monai.compare.study import Study
from dvpt_monai.compare.work import TABLE, work
from dvpt_monai.errors import BundleError, DataError
from dvpt_monai.reports.comparison import Point, draw_costs, draw_labels
from dvpt_monai.whole_file import whole_file

__all__ = ["Comparison", "compare", "compared"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison came to.

    Args:
        config: ``train.json`` of the bundle.
        out: folder of the runs.
        scores: of each method and share of the labels.
        failures: a line for each method that failed.
    """

    config: Path
    out: Path
    scores: Sequence[Scores]
    failures: Sequence[str]

    def table(self, colour: bool = False, width: int = WIDTH) -> str:
        """The tables, what failed, and what to type for the best method with the most labels."""
        parts = [table(self._titled(), colour, width)] if self.scores else []
        said = [*alike(self.scores), *self.failures]
        parts += ["\n".join(said)] if said else []
        if self.scores:
            parts.append(self._best())
        return "\n".join([*parts, f"{self.out}: {TABLE}, table.md and figures"])

    def _best(self) -> str:
        """What ``recommend`` says of the methods with the most labels, and what trains the one that it names."""
        most = max(each.fraction for each in self.scores)
        several = [each for each in self.scores if each.fraction == most]
        try:
            ranked = chances(several)
        except DataError as error:
            return f"Nothing can be recommended: {error}"
        if ranked:
            why, best = advice(ranked), choice(ranked).scores
        else:
            best = max(several, key=lambda each: each.value)
            why = f"{best.method} has the highest score, of which no resamples tell how sure it is"
        typed = command(self.config, best.row)
        return f"{why}.\nWith the settings of {best.method}:\n  {typed}" if typed else f"{why}."

    def write(self) -> None:
        """Write ``table.md`` and the figures; nothing where no run was scored."""
        if not self.scores:
            return
        with whole_file(self.out / "table.md") as part:
            part.write_text(markdown(self._titled()), encoding="utf-8")
        first = self.scores[0]
        fractions = {each.fraction for each in self.scores}
        if len(fractions) > 1:
            lines: dict[str, list[Point]] = {}
            for each in sorted(self.scores, key=lambda each: each.training_cases):
                lines.setdefault(each.method, []).append(_point(each, each.training_cases))
            draw_labels(self.out / "labels.png", lines, first.metric)
        most = [each for each in self.scores if each.fraction == max(fractions)]
        costs = {
            "trained parameters, with the head": "trained_parameters",
            "memory of a step, MB": "memory_mb",
        }
        points = {
            title: {each.method: _point(each, float(each.row[column])) for each in most if each.row[column]}
            for title, column in costs.items()
        }
        draw_costs(self.out / "costs.png", {title: each for title, each in points.items() if each}, first.metric)

    def _titled(self) -> dict[str, list[dict[str, str]]]:
        titled = {}
        for fraction in dict.fromkeys(each.fraction for each in self.scores):
            these = [each for each in self.scores if each.fraction == fraction]
            first = these[0]
            share = f" ({fraction:.0%} of the labels)" if fraction < 1 else ""
            scored = "cases of the folds" if first.row["stage"] == "folds" else "test cases"
            title = f"{first.row['task']}: {first.training_cases} cases to train on{share}, {first.cases} {scored}"
            titled[title] = cells(these)
        return titled


def compare(
    bundle: str | Path,
    entrants: Sequence[Entrant],
    out: str | Path,
    trials: int = 8,
    seeds: int = 3,
    fractions: Sequence[float] = (1.0,),
    score: str = "test",
    jobs: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Run a comparison, or what of it is not done yet, and write its table and figures.

    Args:
        bundle: folder of the bundle.
        entrants: the methods; the others are compared with the first.
        out: folder of the runs.
        trials: settings that each method tries for each share of the labels; 1 takes the bundle's own.
        seeds: repetitions with the best settings.
        fractions: shares of the labelled training cases.
        score: ``test``, or ``folds`` to read no test cases.
        jobs: processes at a time.
        options: of the bundle, for every run.

    Raises:
        BundleError: the bundle or an option is not as it must be.
    """
    out = Path(out)
    of = Bundle(Path(bundle), dict(options or {}))
    for entrant in entrants:
        of.check(entrant.options)
    if any(fraction < 1 for fraction in fractions) and "label_fraction" not in of.known:
        raise BundleError(f"{of.name}: its config has no label_fraction; leave --fractions out")
    with logged(out / "bundle.log"):
        folds = of.folds
    study = Study(
        tuple(entrants), trials, seeds, tuple(fractions), score, folds, of.options, of.known, f"{of.name} {of.digest}"
    )
    rows = work(study, of, out, jobs)
    runs = [rows[run.key] for run in study.runs(rows) if run.key in rows]
    result = Comparison(
        of.root / "configs" / "train.json",
        out,
        scores([rows[run.key] for run in study.scored(rows)], out),
        failures(runs),
    )
    result.write()
    return result


def compared(out: str | Path, config: str | Path) -> Comparison:
    """What the runs so far came to, of a folder that a comparison filled; writes its table and figures again.

    Args:
        out: folder of the runs.
        config: ``train.json`` of their bundle.

    Raises:
        DataError: no run has been scored, or the rows are of several tasks or options.
    """
    result = Comparison(Path(config), Path(out), scores(scored_rows(Path(out)), Path(out)), [])
    result.write()
    return result


def _point(each: Scores, x: float) -> Point:
    ends = each.interval
    return Point(x, each.value, ends.low, ends.high)
