"""A network's answer back onto the grid of the file, row by row, down to the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Activationsd, AsDiscreted, Invertd, InvertibleTransform
from monai.utils import CommonKeys, TraceKeys, get_torch_dtype_from_string
from torch import Tensor

from dvpt_monai.predict.slabs import ROWS
from dvpt_monai.transforms.resampled_rows import Grid, parallel, resampled_rows

__all__ = ["Back", "back"]

RESAMPLING = ("SpatialResample", "ResampleInRows")
"""What an operation is called that `Spacingd` did."""


@dataclass(frozen=True)
class Back:
    """The steps from a network's answer to what is written, where they can be walked row by row.

    Args:
        activate: before the way back, on each voxel by itself.
        decide: labels of the probabilities on the grid of the file.
        rest: what comes then, with the labels of the whole volume.
        invertible: the steps that led to the network and moved voxels.
    """

    activate: Sequence[Callable[[Any], Any]]
    decide: Callable[[Any], Any]
    rest: Sequence[Callable[[Any], Any]]
    invertible: Sequence[InvertibleTransform]

    def grid(self, image: MetaTensor) -> Grid | None:
        """The grid before the last step that moved voxels, if that was a resampling along the axes; else ``None``."""
        if not image.applied_operations or len(image.applied_operations) != len(self.invertible):
            return None
        info = image.applied_operations[-1]
        extra = info.get(TraceKeys.EXTRA_INFO, {})
        if info.get(TraceKeys.CLASS_NAME) not in RESAMPLING or extra.get("mode") != "bilinear":
            return None
        seen, stored = (np.asarray(affine, np.float64) for affine in (image.affine, extra["src_affine"]))
        grid = Grid(
            np.linalg.solve(seen, stored).astype(np.float64),
            tuple(int(length) for length in info[TraceKeys.ORIG_SIZE]),
            tuple(image.shape[1:]),
            extra["mode"],
            extra["padding_mode"],
            extra["align_corners"] not in (TraceKeys.NONE, False),
            get_torch_dtype_from_string(extra["dtype"]),
        )
        return grid if parallel(grid) else None

    def labels(self, rows: Iterable[Tensor], image: MetaTensor) -> MetaTensor:
        """The labels on the grid of the file.

        Args:
            rows: of the network's answer, in order.
            image: as the network saw it.
        """
        grid = self.grid(image)
        assert grid is not None
        labels: Tensor | None = None
        for first, part in resampled_rows((self._active(few) for few in rows), grid, ROWS):
            decided = self.decide({CommonKeys.PRED: part})[CommonKeys.PRED]
            if labels is None:
                labels = torch.zeros(len(decided), *grid.stored, dtype=torch.uint8 if len(part) < 256 else torch.int16)
            labels[:, first : first + decided.shape[1]] = decided
        assert labels is not None
        return self._turned(labels, image)

    def _active(self, rows: Tensor) -> Tensor:
        case: dict[Any, Any] = {CommonKeys.PRED: rows}
        for step in self.activate:
            case = step(case)
        active: Tensor = case[CommonKeys.PRED]
        return active

    def _turned(self, labels: Tensor, image: MetaTensor) -> MetaTensor:
        """What came before the resampling, undone as MONAI undoes it: that only turns axes."""
        info = image.applied_operations[-1]
        before = MetaTensor(
            labels,
            affine=torch.as_tensor(info[TraceKeys.EXTRA_INFO]["src_affine"]),
            meta={name: value for name, value in image.meta.items() if name != "affine"},
            applied_operations=image.applied_operations[:-1],
        )
        case: dict[Any, Any] = {CommonKeys.IMAGE: before}
        for step in reversed(self.invertible[:-1]):
            case = step.inverse(case)
        turned: MetaTensor = case[CommonKeys.IMAGE]
        return turned


def back(postprocessing: Any) -> Back | None:
    """The way back of a postprocessing, if it is one that can be walked row by row; else ``None``."""
    steps: Sequence[Any] = getattr(postprocessing, "transforms", ())
    places = [number for number, step in enumerate(steps) if isinstance(step, Invertd)]
    if len(places) != 1 or len(steps) < places[0] + 2:
        return None
    before, invert, decide, rest = steps[: places[0]], steps[places[0]], steps[places[0] + 1], steps[places[0] + 2 :]
    usual = all(type(step) is Activationsd for step in before) and type(decide) is AsDiscreted
    moving = [step for step in getattr(invert.transform, "transforms", ()) if isinstance(step, InvertibleTransform)]
    return Back(before, decide, rest, moving) if usual and not any(invert.nearest_interp) else None
