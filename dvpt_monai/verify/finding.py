"""What verify can find: a kind of fault, and the file that has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SUBJECTS", "Finding", "Kind"]

SUBJECTS = ("files", "geometry", "labels", "intensities", "parts", "size")
"""What kinds are about, in the order in which they are reported."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        code: its name for programs.
        subject: one of `SUBJECTS`.
        title: the fault in a few words.
        why: what becomes of a training or a prediction with it.
        remedy: what to do.
        fatal: whether results with it are wrong; else it is a warning.
    """

    code: str
    subject: str
    title: str
    why: str
    remedy: str
    fatal: bool = True

    def at(self, file: Path, what: str, *others: Path) -> Finding:
        """This fault in a file; ``others`` are the files that it is seen against."""
        return Finding(self, file, what, others)


@dataclass(frozen=True)
class Finding:
    """A fault in a file.

    Example:
        >>> blank = Kind("blank", "labels", "Blank", "nothing is learned", "leave it out", fatal=False)
        >>> finding = blank.at(Path("a.png"), "all 0")
        >>> finding.file.name, finding.what, finding.kind.fatal
        ('a.png', 'all 0', False)
    """

    kind: Kind
    file: Path
    what: str
    others: tuple[Path, ...] = ()
