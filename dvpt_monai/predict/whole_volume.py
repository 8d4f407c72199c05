"""A volume that is too large to be predicted at once, predicted slab by slab to the same labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from monai.utils import fall_back_tuple
from torch import Tensor, nn

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.predict.answer import check_finite
from dvpt_monai.predict.back import back
from dvpt_monai.predict.memory import Plan
from dvpt_monai.predict.slabs import Slabs, window_of

__all__ = ["WholeVolume"]

logger = logging.getLogger(__name__)
MANY = 200
"""More classes than networks have: what fits with so many need not be planned."""


class WholeVolume:
    """Plan the memory of each volume, and predict slab by slab those that are too large.

    Args:
        inferer: how the network is called.
        network: what predicts.
        device: where it is.
        postprocessing: of a prediction.
    """

    def __init__(self, inferer: Inferer, network: nn.Module, device: torch.device, postprocessing: Any) -> None:
        self.inferer = inferer
        self.network = network
        self.device = device
        self.back = back(postprocessing)

    @property
    def rest(self) -> Sequence[Callable[[Any], Any]]:
        """The steps of the postprocessing that are left after this."""
        return () if self.back is None else self.back.rest

    def __call__(self, image: Any, limit: float | None) -> MetaTensor | None:
        """The labels of a volume on the grid of its file; ``None`` if it fits the memory as it is.

        Args:
            image: as the network sees it.
            limit: GiB that may be taken.

        Raises:
            DataError: on a volume that does not fit in slabs either; and where the network answers NaN.
        """
        window = window_of(self.inferer)
        if not isinstance(image, MetaTensor) or image.ndim != 4 or window is None:
            return None
        seen = tuple(image.shape[1:])
        roi = fall_back_tuple(window.roi_size, seen)
        stored = tuple(int(length) for length in np.asarray(image.meta.get("spatial_shape", seen)))
        if not Plan.of(seen, stored, MANY, roi, limit).divided:
            return None
        plan = Plan.of(seen, stored, self._classes(image, roi), roi, limit)
        if not plan.divided:
            return None
        name = source_of(image)
        possible = self.back is not None and self.back.grid(image) is not None
        if not possible or not plan.fits:
            needed = plan.slabs if possible else plan.whole
            raise DataError(
                f"{name}: {plan.name} takes {needed:.1f} GiB, of which {limit:.3g} may be taken; give more with "
                "--memory, or predict at a coarser spacing"
            )
        logger.info("%s: %s", name, plan)
        assert self.back is not None
        with eval_mode(self.network):
            rows = Slabs(self.inferer, self.network, self.device)(image.as_tensor())
            return self.back.labels(_finite(rows, name), image)

    def _classes(self, image: MetaTensor, roi: Sequence[int]) -> int:
        """Channels of the network's answer, which is asked once with nothing."""
        if not hasattr(self, "classes"):
            with eval_mode(self.network):
                empty = torch.zeros(1, len(image), *roi, device=self.device)
                self.classes = int(self.inferer(empty, self.network).shape[1])
        return self.classes


def _finite(rows: Iterator[Tensor], name: str) -> Iterator[Tensor]:
    for part in rows:
        check_finite(part, name)
        yield part
