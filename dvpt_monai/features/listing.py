"""Which caches there are, and away with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dvpt_monai.errors import CacheError, did_you_mean
from dvpt_monai.features.budget import bytes_of
from dvpt_monai.features.folder import HEADER, caches_in, filling
from dvpt_monai.tables import text_lines
from dvpt_monai.units import storage

__all__ = ["clear", "table"]

HEAD = ("name", "of", "cases x views", "size", "last used", "backbone", "network", "kept")


def table(root: Path, names: Sequence[str] = ()) -> str:
    """One line for each cache that holds something, or for each of these, the largest first.

    Raises:
        CacheError: there is none of a name.
    """
    chosen = _chosen(root, names)
    held = chosen if names else [folder for folder in chosen if bytes_of(folder)]  # not what was refused at its start
    folders = sorted(held, key=bytes_of, reverse=True)
    if not folders:
        return f"{root}: no cached activations"
    rows = [HEAD, *(_row(folder) for folder in folders)]
    return "\n".join([*text_lines(rows), "", f"{storage(sum(map(bytes_of, folders)))} in {root}"])


def clear(root: Path, names: Sequence[str] = ()) -> str:
    """Delete caches, all if no names are given; a training that reads one goes on. Says what was deleted.

    Raises:
        CacheError: there is none of a name, one is being filled, or nobody may delete it.
    """
    folders = _chosen(root, names)
    size = sum(map(bytes_of, folders))
    for folder in folders:
        with filling(folder, wait=False):
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise CacheError(f"{folder}: cannot be deleted ({error})") from error
    return f"Deleted {len(folders)} caches, {storage(size)}, of {root}"


def _chosen(root: Path, names: Sequence[str]) -> list[Path]:
    there = {path.name: path for path in caches_in(root)}
    for name in names:
        if name not in there:
            near = did_you_mean(name, there)
            meant = f"did you mean {near}?" if near else "python -m dvpt_monai cache lists them"
            raise CacheError(f"{root}: no cache {name}; {meant}")
    return [there[name] for name in names or there]


def _row(folder: Path) -> tuple[str, ...]:
    path = folder / HEADER
    used = datetime.fromtimestamp((path if path.exists() else folder).stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    try:
        header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made = (header.get("of") or "?", f"{header.get('cases', '?')} x {header.get('views', '?')}")
        read = (
            header.get("source") or "?",
            f"{header['network']['class']} {'x'.join(map(str, header['network']['img_size']))}",
            f"{', '.join(header['activations'])} in {header['dtype']}",
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        made, read = ("?", "?"), ("?", "?", "?")
    return (folder.name, *map(_plain, made), storage(bytes_of(folder)), used, *map(_plain, read))


def _plain(cell: Any) -> str:
    """A cell that no file can break a terminal with."""
    text = str(cell)
    return text if text.isprintable() else "?"
