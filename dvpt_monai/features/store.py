"""The folder of one cache: a header that says what it depends on, and shards."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvpt_monai.errors import CacheError
from dvpt_monai.features.entry import Entry
from dvpt_monai.features.folder import DIGITS, HEADER, shards_of, unusable
from dvpt_monai.features.key import digest_of
from dvpt_monai.features.shard import Shard, write_shard
from dvpt_monai.whole_file import whole_file

__all__ = ["Store"]


class Store:
    """The entries of a cache.

    Args:
        root: the folder of all caches; this one's is in it, and bears the beginning of its key.
        header: what the cache depends on.
        about: what else stands beside the header, for people.

    Raises:
        CachePlaceError: nobody may read the folder.
        CacheError: the folder is another cache's.
    """

    def __init__(
        self, root: str | os.PathLike[str], header: Mapping[str, Any], about: Mapping[str, Any] | None = None
    ) -> None:
        self.header = dict(header)
        self.about = dict(about or {})
        self.key = digest_of(self.header)
        self.folder = Path(root) / self.key[:DIGITS]
        self.shards: dict[Path, Shard] = {}
        self.places: dict[str, Shard] = {}
        self._check_header()

    def _check_header(self) -> None:
        path = self.folder / HEADER
        try:
            if not path.is_file():
                return
            there = json.loads(path.read_text(encoding="utf-8"))
            differ = sorted(name for name in self.header if there.get(name) != self.header[name])
        except OSError as error:
            raise unusable(self.folder, f"cannot be read ({error})") from error
        except (ValueError, AttributeError) as error:
            raise CacheError(f"{path}: cannot be read ({error}); {self.remedy}") from error
        if differ:
            raise CacheError(f"{path}: another cache's, {differ[0]} is {there.get(differ[0])!r}; {self.remedy}")

    @property
    def remedy(self) -> str:
        """How to get rid of what is there."""
        return f"delete it with python -m dvpt_monai cache --clear {self.folder.name}"

    def open(self) -> dict[Path, CacheError]:
        """Open what has come since, every byte of which is compared with its checksum.

        Returns:
            What is wrong with the shards that are damaged; their entries are not there.

        Raises:
            CacheError: a shard is another cache's.
        """
        damaged = {}
        for path in shards_of(self.folder):
            if path in self.shards:
                continue
            try:
                shard = Shard(path)
                shard.check()
            except CacheError as error:
                if path.is_file():  # else it was cleared just now
                    damaged[path] = error
                continue
            if shard.key != self.key:
                raise CacheError(f"{path}: another cache's, it has the key {shard.key[:DIGITS]}; {self.remedy}")
            self._keep(shard)
        with suppress(OSError):  # when it was used last
            os.utime(self.folder / HEADER)
        return damaged

    def _keep(self, shard: Shard) -> None:
        self.shards[shard.path] = shard
        self.places.update(dict.fromkeys(shard.entries, shard))

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def read(self, name: str) -> Any:
        """An entry, see :meth:`Shard.read`."""
        return self.places[name].read(name)

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add entries in a shard of their own."""
        path = self.folder / HEADER
        try:
            with whole_file(path) as part:
                part.write_text(json.dumps({**self.about, **self.header}, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise unusable(self.folder, f"cannot be written ({error})") from error
        self._keep(Shard(write_shard(self.folder, self.key, entries)))
