"""MONAI's cached data set, quiet where nobody sees its bar."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import monai.data

__all__ = ["CacheDataset"]

logger = logging.getLogger(__name__)


class CacheDataset(monai.data.CacheDataset):
    """MONAI's ``CacheDataset``, of whose arguments it takes all but the first two by name.

    On a terminal it shows the same bar while it loads. A log, which would keep a copy of the bar for every image, gets
    one line, with the time that it took.

    Args:
        data: the cases.
        transform: what is kept of each.
        progress: shows or hides the bar anywhere.
        options: further ones of MONAI's.

    Example:
        >>> CacheDataset([1, 2], transform=lambda number: number + 1)[1]
        3
    """

    def __init__(self, data: Any, transform: Any = None, *, progress: bool | None = None, **options: Any) -> None:
        start = time.perf_counter()
        shown = sys.stderr.isatty() if progress is None else progress
        super().__init__(data, transform, progress=shown, **options)
        if not shown and self.cache_num:
            logger.info("Loaded %d of %d cases, %.1f s", self.cache_num, len(self), time.perf_counter() - start)
