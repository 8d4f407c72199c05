"""Structures by name on one grid, whatever file they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError, did_you_mean

__all__ = ["COLOURS", "Segmentation"]

COLOURS = ((0.5, 0.68, 0.5), (0.95, 0.84, 0.57), (0.69, 0.48, 0.4), (0.44, 0.72, 0.82), (0.85, 0.4, 0.31))
"""Red, green and blue from 0 to 1 of the first, second, ... structure, and from the start again."""


@dataclass(frozen=True)
class Segmentation:
    """Named structures, which may overlap.

    Args:
        masks: by name, each a volume of 0 and 1.
        affine: (4, 4), from indices to RAS in mm.
        source: its file.
        values: by name, the label that the file has for it.
        colours: by name, red, green and blue from 0 to 1, where the file has them.

    Example:
        >>> both = {"liver": np.array([[[1, 1, 0]]], bool), "tumour": np.array([[[0, 0, 1]]], bool)}
        >>> Segmentation(both, np.eye(4), "a.seg.nrrd").label_map(["tumour", "liver"]).tolist()
        [[[2, 2, 1]]]
        >>> Segmentation(both, np.eye(4), "a.seg.nrrd").label_map(["liver", "tumor"])
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: a.seg.nrrd: no structure 'tumor' among liver, tumour; did you mean 'tumour'?
    """

    masks: Mapping[str, NDArray[np.bool_]]
    affine: NDArray[np.float64]
    source: str
    values: Mapping[str, int] = field(default_factory=dict)
    colours: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def overlapping(self) -> bool:
        """Whether two structures share a voxel."""
        seen = np.zeros(next(iter(self.masks.values())).shape, bool)
        for mask in self.masks.values():
            if (seen & mask).any():
                return True
            seen |= mask
        return False

    def channels(self, structures: Sequence[str]) -> NDArray[np.uint8]:
        """0 and 1 of each structure, as the last axis.

        A structure that this case does not have is 0 everywhere, if the file has none of a name like it but those that
        are asked for, too.
        """
        empty = np.zeros(next(iter(self.masks.values())).shape, bool)
        others = self.masks.keys() - set(structures)
        return np.stack([self._mask(name, empty, others) for name in structures], axis=-1).astype(np.uint8)

    def label_map(self, structures: Sequence[str]) -> NDArray[Any]:
        """0 for the background, 1 for the first structure, 2 for the second, ...

        Raises:
            DataError: where two of them overlap.
        """
        channels = self.channels(structures)
        if (channels.sum(-1, dtype=np.uint16) > 1).any():
            counts = np.einsum("xyzi,xyzj->ij", channels.astype(np.float32), channels.astype(np.float32))
            first, second = np.argwhere(np.triu(counts, 1))[0]
            raise DataError(
                f"{self.source}: {structures[first]} and {structures[second]} overlap in "
                f"{int(counts[first, second])} voxels; load overlapping structures as channels (overlapping=True)"
            )
        numbers = np.arange(1, len(structures) + 1, dtype=np.min_scalar_type(len(structures)))
        return (channels * numbers).max(-1, initial=0)

    def _mask(self, name: str, empty: NDArray[np.bool_], others: Set[str]) -> NDArray[np.bool_]:
        if name in self.masks:
            return self.masks[name]
        meant = did_you_mean(name, others)
        if meant:
            raise DataError(
                f"{self.source}: no structure {name!r} among {', '.join(self.masks)}; did you mean {meant!r}?"
            )
        return empty
