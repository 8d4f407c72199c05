"""Whether what is to be cached has room, before it is begun."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from dvpt_monai.errors import CacheRoomError
from dvpt_monai.features.folder import caches_in, shards_of
from dvpt_monai.units import storage

__all__ = ["bytes_of", "check_room", "kept_bytes"]

GB = 10**9


def bytes_of(folder: Path) -> int:
    """Bytes of one cache."""
    return sum(path.stat().st_size for path in shards_of(folder))


def kept_bytes(root: Path) -> int:
    """Bytes of all caches in a folder."""
    return sum(map(bytes_of, caches_in(root)))


def check_room(root: Path, needed: int, budget: float, views: int, of_views: int, least: bool = False) -> None:
    """Refuse what would not fit.

    Args:
        root: the folder of all caches.
        needed: bytes that are to come.
        budget: GB that all caches together may have.
        views: that were asked for.
        of_views: bytes of all that depend on their number.
        least: whether it may be more.

    Raises:
        CacheRoomError: it is more than the budget leaves, or the disk; says how many views would fit.
    """
    kept = kept_bytes(root)
    folder = next(path for path in (root, *root.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    left = min(budget * GB - kept, free)
    if needed <= max(left, 0):
        return
    view = of_views / views
    fits = int((left - (needed - of_views)) // view) if view else 0
    options = [f"--cache_features {fits}"] if 0 < fits < views else []
    if budget * GB - kept < needed:
        options.append(f"--cache_budget {math.ceil((kept + needed) / GB)}")
    size = f"at least {storage(needed)}" if least else storage(needed)
    raise CacheRoomError(
        f"{root}: --cache_features {views} takes {size}; there are {storage(kept)} already, of the "
        f"--cache_budget of {budget:g} GB, and the disk has {storage(free)} left",
        " or ".join(options),
        "clear with python -m dvpt_monai cache --clear, give another --cache_dir, or train without, --cache_features 0",
    )
