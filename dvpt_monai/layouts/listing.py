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
        channels: further files of the image, of the same grid, which become its further channels.
    """

    image: Path
    label: str | Path
    part: str = ""
    group: str = ""
    channels: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its image and its mask."""
        return (self.image, *self.channels, *([self.label] if isinstance(self.label, Path) else []))


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
    there = tuple(file for file in files if file.exists())
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
        regions: structures that may overlap, by name, and the values in the masks that each consists of.
        order: the value that a predicted mask gets for each region, a later one over an earlier.
        ignored: the value of what is neither learned nor scored.
        segments: names of the structures where masks name them, as those of 3D Slicer do; ``names`` numbers these. If
            they overlap, they are ``regions``, too.
        channels: names of the image's channels, where something tells.
        endings: what the names of a case's files end in, in the order of the channels, where these are files.
        sources: files that say all this, such as a table.
    """

    layout: str
    root: Path
    cases: tuple[Case, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    ignored: int | None = None
    segments: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    sources: tuple[Path, ...] = ()

    @property
    def declared(self) -> dict[int, str]:
        """Every value that a mask may hold, where something tells."""
        of_regions = {value: f"label {value}" for values in self.regions.values() for value in values}
        ignored = {} if self.ignored is None else {self.ignored: "ignore"}
        return {**of_regions, **self.names, **ignored}

    @property
    def layered(self) -> bool:
        """Whether masks hold their structures apart, one over another."""
        return bool(self.segments and self.regions)

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
