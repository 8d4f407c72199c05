"""What `verify` finds in the cases of a new bundle: what ends it, what sets a case aside, what is only told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.layouts import Listing, Lost, Note
from dvpt_monai.verify import Facts, Finding, Report

__all__ = ["sound", "warnings_of"]

SEEN = ("dims", "channels")
"""Kinds that the survey tells with both files."""
TOLD = ("parts", "files")
"""Subjects that the survey and the account of the files tell themselves."""


def sound(listing: Listing, report: Report, leave_out: bool) -> tuple[Listing, tuple[Facts, ...], list[Lost]]:
    """The cases without a fatal fault, what they are like, and those that are left out.

    Args:
        listing: the cases.
        report: what was found in them.
        leave_out: whether cases with a fatal fault are left out.

    Raises:
        DataError: there is a fatal fault, and its case may not be left out or none remains; names the file and the
            remedy.
    """
    fatal = [each for each in report.fatal if each.kind.subject != "parts" and each.kind.code not in SEEN]
    if not fatal:
        return listing, report.facts, []
    faults: dict[Path, Finding] = {}
    for finding in fatal:
        faults.setdefault(finding.file, finding)
    hit = [next((file for file in case.files if file in faults), None) for case in listing.cases]
    elsewhere = [finding for file, finding in faults.items() if file not in hit]
    if not leave_out or elsewhere or all(hit):
        raise DataError(_refusal(elsewhere or list(faults.values())))
    kept = [place for place, file in enumerate(hit) if file is None]
    lost = [Lost(file, _title(faults[file]), tuple(other for other in case.files if other != file))
            for case, file in zip(listing.cases, hit, strict=True) if file is not None]  # fmt: skip
    cases = tuple(listing.cases[place] for place in kept)
    return replace(listing, cases=cases), tuple(report.facts[place] for place in kept), lost


def warnings_of(report: Report) -> list[Note]:
    """One note for each kind of fault that does not end anything, with an example."""
    kinds: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if not finding.kind.fatal and finding.kind.subject not in TOLD:
            kinds.setdefault(finding.kind.code, []).append(finding)
    notes = []
    for findings in kinds.values():
        first, count = findings[0], len(findings)
        remedy = first.kind.remedy.replace("--fix", "verify --fix")
        files = f"{count} files, such as {first.file.name}" if count > 1 else first.file.name
        notes.append(Note(f"{_title(first)}: {files} ({first.what}); {remedy}", warning=True))
    return notes


def _refusal(findings: Sequence[Finding]) -> str:
    first = findings[0]
    if len(findings) == 1:
        return f"{first.file}: {_words(first)}; {first.kind.remedy}, or leave its case out with --leave-out"
    files = "; ".join(f"{each.file}: {_words(each)}" for each in findings[:10])
    more = f" and {len(findings) - 10} more" if len(findings) > 10 else ""
    return (
        f"{len(findings)} files would spoil a training; replace them or move them away, or leave their cases out with "
        f"--leave-out: {files}{more}"
    )


def _words(finding: Finding) -> str:
    return f"{_title(finding)} ({finding.what})"


def _title(finding: Finding) -> str:
    """The title of a fault inside a sentence.

    Example:
        >>> from dvpt_monai.verify import Kind
        >>> kind = Kind("nan", "intensities", "NaN or infinite values", "", "")
        >>> _title(kind.at(Path("a.nii"), "")), _title(replace(kind, title="Cannot be read").at(Path("a.nii"), ""))
        ('NaN or infinite values', 'cannot be read')
    """
    title = finding.kind.title
    word = title.split()[0]
    return title if len(word) > 1 and not word[1:].islower() else title[0].lower() + title[1:]
