"""What the measures of all cases come to: how many have a structure, in how many it is found, and how well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.metrics.names import metric_names
from dvpt_monai.metrics.weighted import weighted_mean

__all__ = ["StructureMeasures"]


class StructureMeasures:
    """What the measures of all cases come to, structure by structure.

    Args:
        names: of the structures.
        unit: of distances, ``"mm"`` or ``"px"``; volumes are then ``"ml"`` or ``"px"``.

    Example:
        >>> seen = torch.tensor([[[0.8, 2.0, 0.9, 1000, 1200, 880]], [[math.nan, math.nan, math.nan, 0, 500, 0]]])
        >>> scores = StructureMeasures(["gland"], unit="mm").values(seen)
        >>> {name: round(scores[f"{name}_gland"], 3) for name in ("scored", "empty", "hd95_mm", "false_positive_ml")}
        {'scored': 1, 'empty': 1, 'hd95_mm': 2.0, 'false_positive_ml': 0.5}
    """

    def __init__(self, names: Sequence[str], unit: str = "mm") -> None:
        if unit not in ("mm", "px"):
            raise DataError(f"unit {unit!r} is neither 'mm' nor 'px'")
        self.names = [str(name) for name in names]
        self.scores = ("dice", f"hd95_{unit}", "surface_dice")
        self.volume = "ml" if unit == "mm" else "px"
        self.whole = 1000 if unit == "mm" else 1

    @property
    def columns(self) -> list[str]:
        """Names of what :meth:`of_cases` gives."""
        measures = (*self.scores, f"truth_{self.volume}", f"predicted_{self.volume}")
        return [name for measure in measures for name in metric_names(measure, self.names)]

    def of_cases(self, seen: Tensor) -> Tensor:
        """Scores and volumes of each case, **Shape** (cases, C, measures) -> (cases, columns)."""
        scores, volumes = seen[..., :3], seen[..., 3:5] / self.whole
        return torch.cat((scores, volumes), -1).movedim(1, -1).flatten(1)

    def values(self, seen: Tensor) -> dict[str, float]:
        """The counts, and the means of the scores, NaN where no case has a value.

        **Shape**: (cases, C, measures)
        """
        truth, predicted, overlap = seen[..., 3:].unbind(-1)
        has = truth > 0
        counts = {
            "scored": has.sum(0),
            "empty": (~has).sum(0),
            "found": (has & (overlap > 0)).sum(0),
            "missed": (has & (predicted == 0)).sum(0),
            "false_alarms": (~has & (predicted > 0)).sum(0),
        }
        every = {"scored": int(has.any(1).sum()), "empty": int((~has).all(1).sum())}
        scores = self.reweighted(seen, torch.ones(1, len(seen), dtype=torch.float64))
        return {
            **every,
            **{name: int(count) for name, count in self._named(counts).items()},
            **{name: float(value) for name, value in scores.items()},
        }

    def reweighted(self, seen: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """The scores of weighted cases, **Shape** (resamples, cases) -> (resamples,) each."""
        means = {
            f"mean_{measure}": weighted_mean(seen[..., place].nanmean(1), weights)
            for place, measure in enumerate(self.scores)
        }
        of_each = {measure: weighted_mean(seen[..., place], weights).T for place, measure in enumerate(self.scores)}
        truth, predicted = seen[..., 3], seen[..., 4] / self.whole
        alarms = weighted_mean(predicted.where(truth == 0, math.nan), weights).T
        return {**means, **self._named({**of_each, f"false_positive_{self.volume}": alarms})}

    def _named(self, measures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The values of each structure by name, **Shape** (C, *) each."""
        return {
            name: value
            for measure, values in measures.items()
            for name, value in zip(metric_names(measure, self.names), values, strict=True)
        }
