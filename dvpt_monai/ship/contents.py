"""What in a bundle's folder is the bundle, and what training and people left there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dvpt_monai.bundle_files import ADAPTER, MODEL
from dvpt_monai.errors import BundleError

__all__ = ["contents", "local_paths", "metadata_of"]

WEIGHTS = frozenset({MODEL, ADAPTER, "models/model.ts"})
"""What belongs to a bundle among its models; checkpoints to resume from do not."""
RECORDS = frozenset({"output", "outputs", "eval", "logs", "mlruns", "runs", "dist", "__pycache__"})
"""Folders with what runs write."""


def contents(folder: str | os.PathLike[str]) -> list[str]:
    """The files of a bundle, relative to its folder, in order: without records, caches and hidden files.

    Raises:
        BundleError: there is no such folder, or it is no bundle.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("configs/metadata.json", "output/metrics.csv", "models/model.pt", "models/epoch_3.pt"):
        ...         Path(home, name).parent.mkdir(exist_ok=True)
        ...         _ = Path(home, name).write_bytes(b"")
        ...     contents(home)
        ['configs/metadata.json', 'models/model.pt']
    """
    root = Path(folder)
    if not (root / "configs").is_dir():
        raise BundleError(f"{root}: no bundle, it has no folder configs; give the folder that holds configs and docs")
    names = []
    for place, folders, files in os.walk(root):
        inside = Path(place).relative_to(root)
        folders[:] = [
            name for name in folders if not name.startswith(".") and (inside / name).as_posix() not in RECORDS
        ]
        folders[:] = [name for name in folders if name != "__pycache__"]
        names += [(inside / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(name for name in names if not name.startswith("models/") or name in WEIGHTS)


def metadata_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata of a bundle.

    Raises:
        BundleError: the file is missing or is no JSON object.
    """
    path = Path(folder) / "configs" / "metadata.json"
    values = _read(path)
    if not isinstance(values, dict):
        raise BundleError(f"{path} holds no object; a bundle's metadata are names and values")
    return values


def local_paths(folder: str | os.PathLike[str]) -> dict[str, str]:
    """The paths of this machine at the top of a bundle's configs, by the config and the name that has them.

    Raises:
        BundleError: a config is no JSON.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     Path(home, "configs").mkdir()
        ...     _ = Path(home, "configs", "train.json").write_text('{"dataset_dir": "/data/eyes", "epochs": 3}')
        ...     local_paths(home)
        {'configs/train.json, dataset_dir': '/data/eyes'}
    """
    found = {}
    for path in sorted(Path(folder, "configs").glob("*.json")):
        content = _read(path)
        for name, value in content.items() if isinstance(content, dict) else ():
            if isinstance(value, str) and Path(value).is_absolute():
                found[f"configs/{path.name}, {name}"] = value
    return found


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as JSON ({error}); a bundle needs it") from error
