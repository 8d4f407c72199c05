"""Images that do not fit the memory once a network predicts every voxel of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dvpt_monai.system_memory import GIB, installed_memory
from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.finding import Finding, Kind

__all__ = ["needed", "size_faults"]

SIZE = Kind(
    "size", "size", "More memory than there is",
    why="a prediction has to go slab by slab, which takes longer, or ends without a mask",
    remedy="crop the image, predict at a coarser spacing, or give --budget if there is more memory elsewhere",
    fatal=False,
)  # fmt: skip


def needed(size: Sequence[int], classes: int) -> float:
    """GiB for a sliding window over an image: float32 sums and their mean for each class, image, weights and mask.

    Example:
        >>> round(needed((512, 512, 600), 14), 1)
        18.2
    """
    return float(np.prod(size, dtype=np.float64)) * 4 * (2 * classes + 3) / GIB


def size_faults(facts: Sequence[Facts], classes: int, budget: float | None) -> Iterator[Finding]:
    """Images that need more than the budget, in GiB; by default more than the machine has."""
    limit = installed_memory() if budget is None else budget
    for each in facts:
        if each.image is None or limit is None:
            continue
        wanted = needed(each.image.size, classes)
        if wanted > limit:
            size = " x ".join(map(str, each.image.size))
            yield SIZE.at(each.case.image, f"{size} with {classes} classes: {wanted:.1f} GiB, not {limit:.3g}")
