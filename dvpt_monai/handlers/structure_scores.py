"""Scores of masks: overlap, distances, volumes and detections of each structure, and of each case."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.utils import CommonKeys
from torch import Tensor

from dvpt_monai.handlers.scores import Scores
from dvpt_monai.metrics import StructureMeasures, measure_structures
from dvpt_monai.metrics.structures import MEASURES
from dvpt_monai.reports.distributions import draw_distributions

__all__ = ["StructureScores"]


class StructureScores(Scores):
    """Score the masks of an evaluation; ``docs/metrics.md`` has a line for each score.

    Volumes are measured in mm and ml by the image's affine, photographs in pixels of the size that is scored. What each
    case shows is kept for ``CasesTable`` as the details ``"structures"``, whose columns :attr:`columns` names.

    Args:
        path: the PNG: how Dice and distances are distributed, structure by structure.
        structures: their names, in the order of the last channels of the masks; a channel before them is the
            background.
        spatial_dims: 3 for volumes, 2 for photographs.
        tolerance: of the surface Dice: how far two readers' surfaces may lie apart, in mm or pixels.
        note: printed above the figure.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        structures: Sequence[str],
        spatial_dims: int = 3,
        tolerance: float = 1.0,
        note: str = "",
    ) -> None:
        super().__init__(path, note)
        self.unit = "mm" if spatial_dims == 3 else "px"
        self.measures = StructureMeasures(structures, self.unit)
        self.tolerance = tolerance
        self._seen = torch.zeros(0, len(self.measures.names), len(MEASURES))

    @property
    def columns(self) -> list[str]:
        """Names of what is kept of each case."""
        return self.measures.columns

    def __call__(self, engine: Engine) -> None:
        super().__call__(engine)
        state: Any = engine.state
        details = {"structures": self.measures.of_cases(self._seen)}
        state.metric_details = {**getattr(state, "metric_details", {}), **details}

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Tensor:
        count = len(self.measures.names)
        predicted, truth = (output[key][-count:] for key in (CommonKeys.PRED, CommonKeys.LABEL))
        image = case[CommonKeys.IMAGE]
        known = self.unit == "mm" and isinstance(image, MetaTensor)
        spacing = [float(size) for size in image.pixdim] if known else None
        return measure_structures(predicted, truth, spacing, self.tolerance)

    def scores(self, rows: list[Tensor]) -> dict[str, float]:
        self._seen = torch.stack(rows) if rows else self._seen[:0]
        return self.measures.values(self._seen)

    def reweighted(self, weights: Tensor) -> dict[str, Tensor]:
        return self.measures.reweighted(self._seen, weights)

    def draw(self) -> None:
        columns = {
            "Dice": self._seen[..., 0],
            f"HD95 in {self.unit}": self._seen[..., 1],
            f"surface Dice at {self.tolerance:g} {self.unit}": self._seen[..., 2],
        }
        total, empty = len(self._seen), (self._seen[..., 3] == 0).sum(0).tolist()
        rows = [
            f"{name}\n{total - without} scored, {without} empty"
            for name, without in zip(self.measures.names, empty, strict=True)
        ]
        draw_distributions(self.path, rows, {name: values.numpy() for name, values in columns.items()}, self.note)
