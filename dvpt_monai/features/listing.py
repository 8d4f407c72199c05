"""Which caches there are, and away with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from dvpt_monai.errors import CacheError, did_you_mean
from dvpt_monai.features.shard import SUFFIX
from dvpt_monai.features.store import HEADER, filling

__all__ = ["Cached", "cached", "clear"]


class Cached(NamedTuple):
    """One cache.

    Args:
        folder: of it.
        bytes: of its shards.
        used: when it was last written or read.
        header: what it depends on; empty where that cannot be read.
    """

    folder: Path
    bytes: int
    used: datetime
    header: dict[str, Any]


def cached(root: Path) -> list[Cached]:
    """The caches in a folder, the largest first."""
    caches = []
    for path in root.glob(f"*/{HEADER}"):
        size = sum(shard.stat().st_size for shard in path.parent.glob(f"*{SUFFIX}"))
        try:
            header = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            header = {}
        caches.append(Cached(path.parent, size, datetime.fromtimestamp(path.stat().st_mtime), header))
    return sorted(caches, key=lambda each: each.bytes, reverse=True)


def clear(root: Path, names: Sequence[str] = ()) -> list[Cached]:
    """Delete caches; a training that reads one goes on.

    Args:
        root: the folder of all.
        names: of their folders; none means all.

    Returns:
        What was deleted.

    Raises:
        CacheError: there is none of a name, or one is being filled.
    """
    there = {each.folder.name: each for each in cached(root)}
    for name in names:
        if name not in there:
            near = did_you_mean(name, there)
            meant = f"did you mean {near}?" if near else "python -m dvpt_monai cache lists them"
            raise CacheError(f"{root}: no cache {name}; {meant}")
    chosen = [there[name] for name in names or there]
    for each in chosen:
        with filling(each.folder, wait=False):
            shutil.rmtree(each.folder)
    return chosen
