"""What remains of a case once its files are read and closed: little enough to keep of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dvpt_monai.verify.case import Case
from dvpt_monai.verify.finding import Finding

__all__ = ["Facts", "ImageFacts"]


@dataclass(frozen=True)
class ImageFacts:
    """What an image was like.

    Args:
        size: height and width, or voxels along the three axes.
        channels: colours as they are learned, or the length of a fourth axis.
        kind: the type of its values.
        spacing: mm along each axis; empty in 2D.
        low: the 0.5th percentile of its values.
        high: the 99.5th.
        content: a hash of its values.
        sketch: of its pixels, to find copies that are no bytes alike; ``None`` where it shows nothing.
        affine: of a volume, to millimetres in RAS.
    """

    size: tuple[int, ...]
    channels: int
    kind: str
    spacing: tuple[float, ...]
    low: float
    high: float
    content: str
    sketch: NDArray[Any] | None
    affine: NDArray[Any] | None = None

    @property
    def dims(self) -> int:
        """2 or 3; a volume of a single slice counts as 2."""
        return 2 if len(self.size) == 2 or 1 in self.size else 3


@dataclass(frozen=True)
class Facts:
    """What a case was like.

    Args:
        case: which.
        findings: its faults.
        image: of its image; ``None`` where it could not be read.
        masks: pixels of each value, for each mask that could be read.
    """

    case: Case
    findings: tuple[Finding, ...] = ()
    image: ImageFacts | None = None
    masks: dict[Path, dict[int, int]] = field(default_factory=dict)

    def classes(self, names: Mapping[int, str]) -> list[str]:
        """Its class, or the structures in its masks."""
        if self.case.label:
            return [self.case.label]
        values = sorted({value for counts in self.masks.values() for value in counts} - {0})
        return [names.get(value, str(value)) for value in values]
