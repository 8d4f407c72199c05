"""Where caches lie, and who writes there."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from dvpt_monai.cache import cache
from dvpt_monai.errors import CacheError, CachePlaceError
from dvpt_monai.held_folder import hold, holder
from dvpt_monai.whole_file import remove_parts

__all__ = ["DIGITS", "HEADER", "SUFFIX", "caches_in", "features_dir", "filling", "shards_of", "unusable"]

logger = logging.getLogger(__name__)
HEADER, SUFFIX = "cache.json", ".safetensors"
NOTE = ".filling"
DIGITS = 16
"""Of the key of a cache, in the name of its folder."""


def unusable(folder: Path, problem: str, otherwise: str = "") -> CachePlaceError:
    """The error for a folder that cannot be read or written."""
    return CachePlaceError(
        f"{folder}: {problem}", "--cache_dir DIR", f"{otherwise}or train without a cache, --cache_features 0"
    )


def features_dir(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder of all caches: by default below that of :func:`dvpt_monai.cache.cache`."""
    return cache() / "features" if folder is None else Path(folder).expanduser()


def caches_in(root: Path) -> list[Path]:
    """The folders of caches, also of those that lost their header or were never filled; other folders are none."""
    return sorted(path for path in root.glob("*/") if re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", path.name))


def shards_of(folder: Path) -> list[Path]:
    """The shards in the folder of one cache, without those that are being written."""
    return sorted(folder.glob(f"[!.]*{SUFFIX}"))


@contextmanager
def filling(folder: Path, wait: bool = True) -> Iterator[None]:
    """Keep other processes from writing into the folder of a cache, or wait until they have.

    Args:
        folder: of the cache; made if missing.
        wait: whether to wait.

    Raises:
        CachePlaceError: nobody may write there.
        CacheError: another process is filling it, and this one does not wait.
    """
    try:
        try:
            mine = hold(folder, NOTE)
        except Timeout:
            other = holder(folder, NOTE)
            if not wait:
                raise CacheError(f"{folder}: {other} is filling it; wait, or end that one") from None
            logger.info("%s: waiting for %s, which is filling it", folder, other)
            mine = hold(folder, NOTE, wait=True)
    except OSError as error:
        raise unusable(folder, f"cannot be written ({error})") from error
    try:
        remove_parts(folder)
        yield
    finally:
        (folder / NOTE).unlink(missing_ok=True)
        mine.release()
