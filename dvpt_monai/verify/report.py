"""What was verified and found, for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from dvpt_monai.verify.case import DataSet
from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.finding import Finding

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What was verified and found.

    Args:
        data: the cases.
        facts: what each was like.
        findings: of all cases, the fatal ones first, then by subject.
        seconds: that it took.
        workers: processes that read.
    """

    data: DataSet
    facts: tuple[Facts, ...]
    findings: tuple[Finding, ...]
    seconds: float
    workers: int

    @property
    def fatal(self) -> tuple[Finding, ...]:
        """Those with which results would be wrong."""
        return tuple(finding for finding in self.findings if finding.kind.fatal)

    @property
    def exit_code(self) -> int:
        """1 with fatal findings, else 0."""
        return 1 if self.fatal else 0

    @property
    def classes(self) -> dict[str, int]:
        """Number of cases with each class or structure."""
        return dict(Counter(name for each in self.facts for name in each.classes(self.data.names)))

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {
            "root": str(self.data.root),
            "layout": self.data.layout,
            "cases": len(self.facts),
            "seconds": round(self.seconds, 2),
            "fatal": len(self.fatal),
            "warnings": len(self.findings) - len(self.fatal),
            "classes": self.classes,
            "findings": [self._finding(finding) for finding in self.findings],
            "files": [self._case(each) for each in self.facts],
        }

    def _finding(self, finding: Finding) -> dict[str, Any]:
        kind = finding.kind
        return {
            "code": kind.code,
            "severity": "fatal" if kind.fatal else "warning",
            "subject": kind.subject,
            "file": self.data.below(finding.file),
            "others": [self.data.below(path) for path in finding.others],
            "what": finding.what,
            "title": kind.title,
            "why": kind.why,
            "remedy": kind.remedy,
        }

    def _case(self, facts: Facts) -> dict[str, Any]:
        case, image = facts.case, facts.image
        row: dict[str, Any] = {"image": self.data.below(case.image), "part": case.part, "group": case.group}
        if case.label:
            row["label"] = case.label
        if image is not None:
            row |= {
                "size": list(image.size),
                "channels": image.channels,
                "kind": image.kind,
                "spacing": [round(mm, 6) for mm in image.spacing],
                "low": image.low,
                "high": image.high,
                "content": image.content,
            }
        if facts.masks:
            row["masks"] = {self.data.below(path): counts for path, counts in facts.masks.items()}
        return row
