"""What a layout says of a data set before any image is opened: cases, their labels, parts and patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PARTS", "Case", "Listing", "Lost", "Note", "lost_of", "part_of"]

PARTS = {
    **dict.fromkeys(("train", "training", "tr", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "vl"), "validation"),
    **dict.fromkeys(("test", "testing", "ts", "testset", "holdout", "held_out"), "test"),
}
"""What people call the parts of a data set, and what the bundles call them."""


@dataclass(frozen=True)
class Case:
    """An image and what is known of it.

    Args:
        image: its file.
        label: the name of its class, or the file of its mask.
        part: ``train``, ``validation`` or ``test``; empty if nothing tells.
        group: what must stay together, such as the patient; empty if nothing tells.
    """

    image: Path
    label: str | Path
    part: str = ""
    group: str = ""


@dataclass(frozen=True)
class Note:
    """Something that was assumed or noticed.

    Args:
        text: what.
        option: what changes it; empty if nothing does.
        warning: whether the user should look at it.
    """

    text: str
    option: str = ""
    warning: bool = False


@dataclass(frozen=True)
class Lost:
    """A case that cannot be listed.

    Args:
        file: that is missing, or has no counterpart.
        reason: what is wrong with it.
        others: the files of the case that are there.
    """

    file: Path
    reason: str
    others: tuple[Path, ...] = ()


def lost_of(files: Sequence[Path], reason: str) -> list[Lost]:
    """The files of one case that are missing; none if all are there."""
    there = tuple(file for file in files if file.is_file())
    return [Lost(file, reason, there) for file in files if file not in there]


@dataclass(frozen=True)
class Listing:
    """A data set as its layout describes it.

    Args:
        layout: in words.
        root: the folder that paths are relative to.
        cases: in the order of their files.
        names: of values in the masks, where something tells.
        notes: what was assumed.
    """

    layout: str
    root: Path
    cases: tuple[Case, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def task(self) -> str:
        """Classification, or segmentation where labels are files."""
        return "segmentation" if any(isinstance(case.label, Path) for case in self.cases) else "classification"

    def below(self, path: Path) -> str:
        """A path relative to the folder of the data, or as it is where it lies elsewhere."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def part_of(name: str) -> str:
    """The part that a folder or a cell names; empty if it names none.

    Example:
        >>> part_of("Val"), part_of("melanoma")
        ('validation', '')
    """
    return PARTS.get(name.strip().lower(), "")
