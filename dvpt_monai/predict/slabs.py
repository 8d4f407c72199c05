"""A sliding window whose answer comes in rows, as soon as no further window reaches them.

What `monai.inferers.sliding_window_inference` gives at once, bit by bit: the same windows in the same batches, weighed
and summed in the same order. Kept are the rows that windows still add to, instead of the whole volume for each class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers import Inferer, SlidingWindowInferer
from monai.inferers.utils import _get_scan_interval
from monai.utils import ensure_tuple_rep, fall_back_tuple
from torch import Tensor
from torch.nn import functional

from dvpt_monai.inferers import Autocast

__all__ = ["ROWS", "Slabs", "window_of"]

ROWS = 4
"""Rows that are finished at a time."""


def window_of(inferer: Inferer) -> SlidingWindowInferer | None:
    """The sliding window of an inferer, if it is a plain one."""
    inner = inferer.inferer if isinstance(inferer, Autocast) else inferer
    if not isinstance(inner, SlidingWindowInferer):
        return None
    plain = type(inner) is SlidingWindowInferer and inner.buffer_steps is None and not inner.with_coord
    return inner if plain else None


@dataclass
class Slabs:
    """The answer of a network to one image, row by row along the first axis.

    Args:
        inferer: a sliding window, maybe under autocast.
        network: what answers.
        device: where the network is.
    """

    inferer: Inferer
    network: Callable[..., Any]
    device: torch.device

    def __call__(self, image: Tensor) -> Iterator[Tensor]:
        """Predict.

        **Shape**: (C, *spatial) -> (classes, rows, *rest), one after the other

        Args:
            image: as the network sees it.
        """
        window = window_of(self.inferer)
        assert window is not None
        size = tuple(image.shape[1:])
        roi = fall_back_tuple(window.roi_size, size)
        missing = [max(length - has, 0) for length, has in zip(roi, size, strict=True)]
        before = [length // 2 for length in missing]
        if any(missing):
            pads = [pad for low, all_ in zip(before[::-1], missing[::-1], strict=True) for pad in (low, all_ - low)]
            image = functional.pad(image[None], pads, mode=str(window.padding_mode), value=window.cval)[0]
        inside = tuple(slice(low, low + length) for low, length in zip(before, size, strict=True))
        row = 0
        for rows in self._padded(image, window, roi):
            keep = slice(max(inside[0].start - row, 0), max(inside[0].stop - row, 0))
            row += rows.shape[1]
            part = rows[(slice(None), keep, *inside[1:])]
            if part.shape[1]:
                yield part

    def _padded(self, image: Tensor, window: SlidingWindowInferer, roi: tuple[int, ...]) -> Iterator[Tensor]:
        size, dims = tuple(image.shape[1:]), image.ndim - 1
        interval = _get_scan_interval(size, roi, dims, ensure_tuple_rep(window.overlap, dims))
        places = dense_patch_slices(size, roi, interval)
        weights = compute_importance_map(
            roi, mode=window.mode, sigma_scale=window.sigma_scale, device=self.device, dtype=image.dtype
        )[None]
        kept, base = _Kept(size, roi[0], image.dtype, weights.cpu()), 0
        for first in range(0, len(places), window.sw_batch_size):
            batch = places[first : first + window.sw_batch_size]
            for place, answer in zip(batch, self._answers(image, batch, weights), strict=True):
                if place[0].start > base:
                    yield from kept.finished(place[0].start - base)
                    base = place[0].start
                kept.add(answer, place[1:])
        yield from kept.finished(size[0] - base)

    def _answers(self, image: Tensor, places: list[tuple[slice, ...]], weights: Tensor) -> Tensor:
        windows = torch.stack([image[(slice(None), *place)] for place in places]).to(self.device)
        dtype = self.inferer.dtype if isinstance(self.inferer, Autocast) else torch.float32
        with torch.no_grad(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            answer: Tensor = self.network(windows)
            answer *= weights
        return answer.cpu()


class _Kept:
    """Sums and weights of the rows that windows still add to."""

    def __init__(self, size: tuple[int, ...], rows: int, dtype: torch.dtype, weights: Tensor) -> None:
        self.shape = (rows, *size[1:])
        self.dtype = dtype
        self.weights = weights
        self.sums: Tensor | None = None
        self.counts = torch.zeros(1, *self.shape, dtype=dtype)

    def add(self, answer: Tensor, place: tuple[slice, ...]) -> None:
        if self.sums is None:
            self.sums = torch.zeros(len(answer), *self.shape, dtype=self.dtype)
        self.sums[(slice(None), slice(None), *place)] += answer
        self.counts[(slice(None), slice(None), *place)] += self.weights

    def finished(self, rows: int) -> Iterator[Tensor]:
        """The first rows, a few at a time, after which the others move up."""
        assert self.sums is not None
        for first in range(0, rows, ROWS):
            few = slice(first, min(first + ROWS, rows))
            yield self.sums[:, few] / self.counts[:, few]
        for tensor in (self.sums, self.counts):
            for row in range(rows, tensor.shape[1]):
                tensor[:, row - rows] = tensor[:, row]
            tensor[:, max(tensor.shape[1] - rows, 0) :] = 0
