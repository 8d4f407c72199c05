"""Images that do not fit the memory once a network predicts every voxel of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.finding import Finding, Kind

__all__ = ["machine", "needed", "size_faults"]

SIZE = Kind(
    "size", "size", "More memory than there is",
    why="prediction of the whole image ends without a mask, mostly killed by the system",
    remedy="crop the image, predict at a coarser spacing, or give --budget if there is more memory elsewhere",
    fatal=False,
)  # fmt: skip


def needed(size: Sequence[int], classes: int) -> float:
    """GiB for a sliding window over an image: float32 sums and their mean for each class, image, weights and mask.

    Example:
        >>> round(needed((512, 512, 600), 14), 1)
        18.2
    """
    return float(np.prod(size, dtype=np.float64)) * 4 * (2 * classes + 3) / 2**30


def machine() -> float | None:
    """GiB of this machine's memory; ``None`` where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, OSError, ValueError):
        return None


def size_faults(facts: Sequence[Facts], classes: int, budget: float | None) -> Iterator[Finding]:
    """Images that need more than the budget, in GiB; by default more than the machine has."""
    limit = machine() if budget is None else budget
    for each in facts:
        if each.image is None or limit is None:
            continue
        wanted = needed(each.image.size, classes)
        if wanted > limit:
            size = " x ".join(map(str, each.image.size))
            yield SIZE.at(each.case.image, f"{size} with {classes} classes: {wanted:.1f} GiB, not {limit:.3g}")
