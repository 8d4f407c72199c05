"""One file of a cache: some entries as safetensors, each tensor with its checksum.

It is read by position and not mapped into memory: so a file that is cut short while a training reads it is an error
with a name instead of a signal that ends the process, and what was read counts as memory of the process no longer than
it is used. A file that is deleted meanwhile can be read to the end of the training.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from dvpt_monai.errors import CacheError
from dvpt_monai.features.entry import IMAGE, Entry
from dvpt_monai.features.folder import SUFFIX, unusable
from dvpt_monai.tuning.content import content
from dvpt_monai.whole_file import whole_file

__all__ = ["Shard", "write_shard"]

HEADER = 1 << 28
"""Bytes that no header of a shard has."""


def write_shard(folder: str | os.PathLike[str], key: str, entries: Mapping[str, Entry]) -> Path:
    """Write entries into a new file of a folder, whole or not at all.

    Args:
        folder: of the cache.
        key: the sha256 of the cache's header.
        entries: by their names.

    Raises:
        CachePlaceError: the folder cannot be written, or the disk is full.
    """
    tensors: dict[str, Tensor] = {}
    about: dict[str, Any] = {"key": key, "entries": {}}
    for name, entry in entries.items():
        samples = []
        for number, sample in enumerate(entry.samples):
            kept = {}
            for each, value in sample.tensors.items():
                tensors[f"{name}/{number}/{each}"] = value
                kept[each] = {
                    "kept": str(value.dtype).removeprefix("torch."),
                    "read": sample.dtypes.get(each),
                    "shape": list(value.shape),
                    "crc32": zlib.crc32(content(value)),
                }
            samples.append({"tensors": kept, "plain": sample.plain})
        about["entries"][name] = {"samples": samples, "listed": entry.listed}
    text = json.dumps(about)
    path = Path(folder) / f"{secrets.token_hex(8)}{SUFFIX}"
    try:
        with whole_file(path) as part:
            save_file(tensors, part, {"about": text, "sha256": hashlib.sha256(text.encode()).hexdigest()})
    except (OSError, SafetensorError) as error:
        problem = f"cannot be written ({error}), what was cached there before stays"
        raise unusable(path.parent, problem, "or make room, ") from error
    return path


class Shard:
    """An open shard.

    Args:
        path: of the file.

    Raises:
        CacheError: it is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.file = -1
        try:
            self.file = os.open(self.path, os.O_RDONLY)
            size = int.from_bytes(os.pread(self.file, 8, 0), "little")
            if size > HEADER:
                raise ValueError("its header has no end")
            header = json.loads(os.pread(self.file, size, 8))
            metadata = header.pop("__metadata__")
            about = json.loads(metadata["about"])
            if hashlib.sha256(metadata["about"].encode()).hexdigest() != metadata["sha256"]:
                raise ValueError("its header has changed")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CacheError(f"{self.path}: damaged ({error})") from error
        self.key: str = about["key"]
        self.entries: dict[str, Any] = about["entries"]
        self.places: dict[str, Any] = header
        self.start = 8 + size

    def __del__(self) -> None:
        if self.file >= 0:
            os.close(self.file)

    def __reduce__(self) -> Any:
        return Shard, (self.path,)

    def check(self) -> None:
        """Read everything once.

        Raises:
            CacheError: a value is not what was written.
        """
        for name in self.entries:
            self.read(name)

    def read(self, name: str) -> Any:
        """An entry as the data set gave it, with tensors by name in the place of the image.

        Raises:
            CacheError: a value is not what was written.
        """
        entry = self.entries[name]
        items = []
        for number, sample in enumerate(entry["samples"]):
            item: dict[str, Any] = dict(sample["plain"])
            for key, about in sample["tensors"].items():
                value = self._tensor(f"{name}/{number}/{key}", about)
                if key.startswith(f"{IMAGE}/"):
                    item.setdefault(IMAGE, {})[key.removeprefix(f"{IMAGE}/")] = value
                else:
                    item[key] = value
            items.append(item)
        return items if entry["listed"] else items[0]

    def _tensor(self, name: str, about: Mapping[str, Any]) -> Tensor:
        dtype: torch.dtype = getattr(torch, about["kept"])
        length = int(np.prod(about["shape"], dtype=np.int64)) * dtype.itemsize
        buffer = np.empty(length, np.uint8)
        try:
            begin, _ = self.places[name]["data_offsets"]
            read = os.preadv(self.file, [buffer.data], self.start + begin)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CacheError(f"{self.path}: damaged ({error})") from error
        if read != length or zlib.crc32(buffer.data) != about["crc32"]:
            raise CacheError(f"{self.path}: damaged, {name} is not what was written")
        value = torch.from_numpy(buffer).view(dtype).view(about["shape"])
        return value if about["read"] is None else value.to(getattr(torch, about["read"]))
