"""What memory a prediction takes, and how it is divided where that is too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dvpt_monai.system_memory import GIB

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """What predicting a volume takes in GiB, and whether it is done at once or slab by slab.

    Args:
        whole: at once.
        slabs: slab by slab.
        limit: what may be taken; ``None`` where nobody knows.
        shape: of the volume that the network sees.
        classes: channels of its answer.

    Example:
        >>> print(Plan.of((512, 512, 600), (512, 512, 600), 14, (96, 96, 96), limit=8))
        512 x 512 x 600 with 14 classes: slab by slab in 2.7 GiB (at once it would take 27.0 GiB; 8 GiB may be taken)
    """

    whole: float
    slabs: float
    limit: float | None
    shape: tuple[int, ...]
    classes: int

    @classmethod
    def of(
        cls, seen: Sequence[int], stored: Sequence[int], classes: int, window: Sequence[int], limit: float | None
    ) -> Plan:
        """The plan for a volume.

        Args:
            seen: its shape as the network sees it.
            stored: its shape in the file.
            classes: channels of the network's answer.
            window: shape of what the network sees at a time.
            limit: GiB that may be taken.
        """
        voxels, of_file = math.prod(seen), math.prod(stored)
        resampled = tuple(seen) != tuple(stored)
        # sums and probabilities; then these on the grid of the file, in float64 and with places where it is another
        back = 8 * classes * (voxels + of_file) + 24 * of_file if resampled else 4 * classes * of_file + 8 * of_file
        whole = 4 * voxels * (2 * classes + 2) + back
        rows = min(window[0], seen[0])
        slabs = 4 * voxels + of_file + (rows + 16) * (voxels // seen[0]) * 4 * (classes + 1)
        return cls(whole / GIB, slabs / GIB, limit, tuple(seen), classes)

    @property
    def divided(self) -> bool:
        """Whether the volume is predicted slab by slab."""
        return self.limit is not None and self.whole > self.limit

    @property
    def fits(self) -> bool:
        """Whether there is enough memory at all."""
        return self.limit is None or min(self.whole, self.slabs) <= self.limit

    @property
    def name(self) -> str:
        """The volume in words."""
        return f"{' x '.join(map(str, self.shape))} with {self.classes} classes"

    def __str__(self) -> str:
        if not self.divided:
            return f"{self.name}: {self.whole:.1f} GiB"
        way = f"slab by slab in {self.slabs:.1f} GiB"
        return f"{self.name}: {way} (at once it would take {self.whole:.1f} GiB; {self.limit:.3g} GiB may be taken)"
