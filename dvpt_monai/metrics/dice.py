"""Dice that has no value where nothing is scored."""

from __future__ import annotations

import logging
from typing import Any

import torch
from monai.metrics import DiceMetric
from torch import Tensor

from dvpt_monai.errors import DataError

__all__ = ["Dice"]

logger = logging.getLogger(__name__)


class Dice(DiceMetric):
    """MONAI's Dice, of the cases that have the structure; NaN, with a warning, where none has it.

    MONAI's own is 0 there: of a validation without the structure every epoch looks alike, and the last one wins.

    Args:
        include_background: whether the first channel is a structure.
        names: of the structures; the aggregate is then a dictionary by name, else the mean of each case's structures
            over the cases.

    Shape:
        Predictions and truth (B, C, *spatial), 0 or 1; the mean is a scalar.

    Example:
        >>> dice = Dice(names=["left", "right"])
        >>> _ = dice(torch.tensor([[[[1, 1]], [[0, 1]]]]), torch.tensor([[[[0, 1]], [[0, 0]]]]))
        >>> {name: round(value, 3) for name, value in dice.aggregate().items()}
        {'left': 0.667, 'right': nan}
    """

    def __init__(self, include_background: bool = True, names: list[str] | None = None) -> None:
        super().__init__(
            include_background=include_background,
            reduction="mean" if names is None else "mean_batch",
            return_with_label=list(names or []),
        )
        self.names = names
        self._warned: list[str] = []

    def aggregate(self, *arguments: Any, **options: Any) -> Any:
        """The mean, or a dictionary of floats.

        Raises:
            DataError: there are no cases, or other channels than names.
        """
        values = self.get_buffer()
        if not isinstance(values, Tensor):
            raise DataError("Dice: no cases yet")
        values = torch.as_tensor(values)
        if self.names is None:
            self._warn(["any structure"] if bool(values.isnan().all()) else [])
            return values.nanmean(1).nanmean()
        if values.shape[1] != len(self.names):
            raise DataError(f"Dice: {values.shape[1]} structures in the masks, and names {self.names}; give one each")
        means = dict(zip(self.names, values.nanmean(0).tolist(), strict=True))
        self._warn([name for name, each in zip(self.names, values.T, strict=True) if bool(each.isnan().all())])
        return means

    def _warn(self, absent: list[str]) -> None:
        if absent and absent != self._warned:
            logger.warning("no case has %s: that Dice has no value, and chooses no network", ", ".join(absent))
        self._warned = absent
