"""What a method trains of the backbone, as it was before: for the ways back, at no cost to the training."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from dvpt_monai.tuning.mapped import mapped

__all__ = ["Originals"]

logger = logging.getLogger(__name__)

IN_MEMORY = 1 << 24
"""Bytes up to which copies stay in memory: those of BitFit and the norms of any published ViT."""


class Originals(Mapping[str, Tensor]):
    """Copies of tensors, by name; nothing changes them, and so copies of a network share them.

    Few bytes stay in memory. A whole backbone goes to a temporary file (in the folder that ``TMPDIR`` names) which has
    no name and vanishes with the last network that needs it; its tensors are mapped, so that reading them costs memory
    and having them does not. Without space for the file they stay in memory. Pickled, they travel with the network.

    Args:
        tensors: what is copied.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._copies = _copies(tensors)

    def __getitem__(self, key: str) -> Tensor:
        return self._copies[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._copies)

    def __len__(self) -> int:
        return len(self._copies)

    def __deepcopy__(self, memo: dict[int, Any]) -> Originals:
        return self

    def __reduce__(self) -> tuple[type[Originals], tuple[dict[str, Tensor]]]:
        return Originals, (self._copies,)


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if sum(value.nbytes for value in tensors.values() if not value.is_meta) > IN_MEMORY:
        try:
            return mapped(tensors)
        except OSError as error:
            logger.warning("The plain backbone stays in memory, its temporary file cannot be written (%s)", error)
    return {key: value.detach().clone() for key, value in tensors.items()}
