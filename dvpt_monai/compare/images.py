"""Prepared images that all runs of a process share."""

from __future__ import annotations

import pickle  # nosec B403: it only writes, to tell steps apart
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from monai.data.utils import pickle_hashing
from monai.transforms import RandomizableTrait, Transform

from dvpt_monai.bundle import CacheDataset

__all__ = ["SharedImages"]

_prepared: dict[tuple[tuple[bytes, ...], bytes], Any] = {}
"""What the steps before the first random one make of a case, by these steps and by the case."""
_digests: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()


class SharedImages(CacheDataset):
    """A cached data set that prepares no case twice in a process, whichever data set prepared it first.

    Cases are the same where their lists say the same of them, and steps where all of their arguments are equal. What
    cannot be compared, such as a function of the config, is prepared anew.

    Example:
        >>> from monai.transforms import Compose, Lambdad
        >>> prepare = Compose([Lambdad("image", abs)])
        >>> first, second = (SharedImages([{"image": -3}], prepare) for _ in range(2))
        >>> first[0] is second[0]
        True
    """

    def _load_cache_item(self, idx: int) -> Any:
        if self._steps is None:
            return super()._load_cache_item(idx)
        key = self._steps, pickle_hashing(self.data[idx])
        if key not in _prepared:
            _prepared[key] = super()._load_cache_item(idx)
        return _prepared[key]

    @cached_property
    def _steps(self) -> tuple[bytes, ...] | None:
        """The steps before the first random one, in short; None where they cannot be compared."""
        transform: Any = self.transform
        first = transform.get_index_of_first(lambda t: isinstance(t, RandomizableTrait) or not isinstance(t, Transform))
        try:
            return tuple(_digest(step) for step in transform.transforms[:first])
        except (pickle.PicklingError, AttributeError, TypeError):
            return None


def _digest(step: Any) -> bytes:
    """A step in short, as it was when it was first seen: some keep something of each image that they work on."""
    if step not in _digests:
        _digests[step] = pickle_hashing(step)
    return _digests[step]
