"""The cache of a training: filled before its first step, read ever after."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn
from tqdm.std import tqdm

from dvpt_monai.errors import CacheError, CachePlaceError, TuningError
from dvpt_monai.features.budget import bytes_of, check_room
from dvpt_monai.features.dataset import CachedDataset, Missing
from dvpt_monai.features.entry import Entry
from dvpt_monai.features.folder import HEADER, features_dir, filling
from dvpt_monai.system_memory import return_freed
from dvpt_monai.tuning.frozen import depth_of, frozen_cut, map_frozen
from dvpt_monai.units import duration, storage

__all__ = ["AUTO", "DTYPES", "FeatureCache"]

logger = logging.getLogger(__name__)
DTYPES = ("float16", "bfloat16", "float32")
AUTO = 4
"""Draws an image where ``views="auto"`` keeps any: more differ little from each other once the network is frozen."""
SHARD, SECONDS = 64 * 10**6, 60.0
"""A shard is written when it has so many bytes, or took so long: a killed process loses no more than that."""
TOLERANCE = {"float16": 0.02, "bfloat16": 0.05, "float32": 1e-3}
"""By how much of its norm what was read may differ from what is computed now, on another device for example."""


class FeatureCache:
    """What stands before the first tuner, computed once for each image and each of a few draws of its augmentation.

    Args:
        network: tuned.
        views: draws of the random transforms a training case; epoch e sees draw ``e % views``. 0 caches nothing;
            ``"auto"`` caches four where at least half of the blocks stay as they are, and else nothing; where there is
            no room for them, or nobody may write, the same draws are computed from images at each step.
        folder: of the caches of all trainings.
        dtype: ``"float16"``, ``"bfloat16"``, or ``"float32"``.
        budget: GB that all caches in the folder together may have.
        seed: of the draws.
        workers: processes that prepare images while it is filled.
        epochs: of the training, if it is known: ``"auto"`` computes no draw that none of them sees.
        name: of what is trained, for the list of caches.

    Raises:
        CacheError: an argument is none of these.
    """

    def __init__(
        self,
        network: nn.Module,
        views: int | str = 0,
        folder: str | os.PathLike[str] | None = None,
        dtype: str = "float16",
        budget: float = 20.0,
        seed: int = 0,
        workers: int = 0,
        epochs: int = AUTO,
        name: str = "",
    ) -> None:
        if views != "auto" and (not isinstance(views, int) or views < 0):
            raise CacheError(
                f"--cache_features {views}: give the number of draws an image, such as 4, or auto; 0 caches nothing"
            )
        if dtype not in DTYPES:
            raise CacheError(f"--cache_dtype {dtype}: give one of {', '.join(DTYPES)}")
        self.network = network
        self.automatic = views == "auto"
        self.views = min(_worth_keeping(network), epochs) if isinstance(views, str) else views
        self.root = features_dir(folder)
        self.dtype = dtype
        self.budget = budget
        self.seed = seed
        self.workers = workers
        self.name = name
        self.datasets: list[CachedDataset] = []

    def training(self, dataset: Any, inferer: Inferer) -> Any:
        """The data set of a training from the cache, as :class:`~dvpt_monai.data.ReplayLoader` takes it."""
        return self._cached(dataset, inferer, self.views, "training")

    def validation(self, dataset: Any, inferer: Inferer) -> Any:
        """The data set of a validation from the cache, of which there is one view."""
        return self._cached(dataset, inferer, 1, "validation")

    def _cached(self, dataset: Any, inferer: Inferer, views: int, part: str) -> Any:
        if not self.views:
            return dataset
        name = f"{self.name} {part}".lstrip()
        self.datasets.append(CachedDataset(dataset, inferer, self.network, self.seed, views, self.dtype, name))
        return self.datasets[-1]

    def fill(self) -> None:
        """Compute what is missing, once an entry that is there was compared with what is computed now.

        Then no step reads the weights of the frozen blocks, which go from memory to a file, see
        :func:`~dvpt_monai.tuning.map_frozen`.

        Raises:
            CachePlaceError: there is no room, or nobody may write, for a number of views that was asked for.
            CacheError: what is there is not what is computed now.
            TuningError: no block of the network stays as it is.
        """
        if not self.datasets:
            return
        try:
            self._check_least()
            self._complete()
        except CachePlaceError as error:
            if not self.automatic:
                raise
            logger.warning(
                "Activations are not cached, each step computes them: %s%s",
                *(error.problem, f". {error.options} caches" if error.options else ""),
            )
            for dataset in self.datasets:
                dataset.from_images = True
            return
        try:
            map_frozen(self.network, self.root)
            return_freed()
        except OSError as error:
            logger.info("The weights of the frozen blocks stay in memory, no file for them can be written (%s)", error)

    def _check_least(self) -> None:
        """Whether there is room for what all entries take at least, before anything is read."""
        for dataset in self.datasets:
            dataset.place(self.root)
        sizes = [(dataset, dataset.least_bytes()) for dataset in self.datasets]
        own = {dataset.store.folder for dataset in self.datasets}
        missing = sum(size for _, size in sizes) - sum(map(bytes_of, own))
        of_views = sum(size for dataset, size in sizes if dataset.views == self.views)
        check_room(self.root, missing, self.budget, self.views, of_views, least=True)

    def _complete(self) -> None:
        for dataset in self.datasets:
            for error in dataset.open().values():
                logger.warning("%s; what it held is computed anew", error)
            self._compare(dataset)
        if not any(dataset.missing() for dataset in self.datasets):
            return
        with ExitStack() as stack:
            for folder in sorted({dataset.store.folder for dataset in self.datasets if dataset.missing()}):
                stack.enter_context(filling(folder))
            for dataset in self.datasets:  # what others have written meanwhile
                for damaged in dataset.store.open():
                    damaged.unlink(missing_ok=True)
            self._fill([(dataset, dataset.missing()) for dataset in self.datasets if dataset.missing()])

    def _fill(self, lacking: Sequence[tuple[CachedDataset, list[Missing]]]) -> None:
        if not lacking:
            return
        costs = [(dataset, *self._cost(dataset, missing)) for dataset, missing in lacking]
        needed = sum(size for _, size, _ in costs)
        of_views = sum(size for dataset, size, _ in costs if dataset.views == self.views)
        check_room(self.root, needed, self.budget, self.views, of_views)
        logger.info(
            "Caching activations of %d images, %d views, %s, in %s: about %s",
            sum(len(missing) for _, missing in lacking),
            sum(len(views) for _, missing in lacking for _, views in missing),
            *(storage(needed), self.root, duration(sum(seconds for *_, seconds in costs))),
        )
        begun = time.perf_counter()
        for dataset, missing in lacking:
            made = dataset.make(missing, self.workers)
            bar = tqdm(made, "Caching", len(missing), unit="case", disable=not sys.stderr.isatty())
            for entries in _shards(bar):
                dataset.store.write(entries)
        logger.info("Cached, %.1f s", time.perf_counter() - begun)

    @staticmethod
    def _cost(dataset: CachedDataset, missing: Sequence[Missing]) -> tuple[int, float]:
        """Bytes and seconds that what is missing takes, by those of the first case."""
        for _ in range(2):  # the first time things are loaded that stay
            begun = time.perf_counter()
            [entries] = list(dataset.make(missing[:1]))
            seconds = (time.perf_counter() - begun) / len(entries)
        size = sum(entry.bytes for entry in entries.values()) / len(entries)
        count = sum(len(views) for _, views in missing)
        return int(size * count), seconds * count

    def _compare(self, dataset: CachedDataset) -> None:
        """Compute the first entry that is there anew: a last check of what no header tells."""
        store = dataset.store
        places = [
            (case, view) for case, names in enumerate(dataset.names) for view, name in enumerate(names) if name in store
        ]
        if not places:
            return
        case, view = places[0]
        [entries] = list(dataset.make([(case, [view])]))
        [(name, entry)] = entries.items()
        there = store.read(name)
        for now, sample in zip(entry.samples, there if isinstance(there, list) else [there], strict=True):
            for key, value in now.tensors.items():
                outer, _, inner = key.partition("/")
                kept = sample[outer][inner] if inner else sample[outer]
                if kept.shape != value.shape or not _near(kept, value, TOLERANCE[self.dtype] if inner else 0.0):
                    raise CacheError(
                        f"{store.folder}: {key} of its case {case} is not what is computed now, and nothing in "
                        f"{HEADER} tells why; {store.remedy}"
                    )
        logger.info("Reading %d cached activations from %s", len(places), store.folder)


def _worth_keeping(network: nn.Module) -> int:
    """How many draws pay: none where less than half of the blocks stay as they are, which is said."""
    try:
        cut, depth = frozen_cut(network), depth_of(network)
    except TuningError as error:
        logger.info("Activations are not cached: %s", str(error).removeprefix("frozen_cut: "))
        return 0
    if 2 * cut < depth:
        logger.info(
            "Activations are not cached: %d of %d blocks stay as they are; --cache_features 4 caches", cut, depth
        )
        return 0
    return AUTO


def _shards(made: Iterable[dict[str, Entry]]) -> Iterator[dict[str, Entry]]:
    """Entries, as many at a time as make a shard."""
    shard: dict[str, Entry] = {}
    begun = time.monotonic()
    for entries in made:
        shard |= entries
        if sum(entry.bytes for entry in shard.values()) >= SHARD or time.monotonic() - begun >= SECONDS:
            yield shard
            shard, begun = {}, time.monotonic()
    if shard:
        yield shard


def _near(one: Tensor, other: Tensor, tolerance: float) -> bool:
    one, other = one.double(), other.double()
    return bool(torch.linalg.vector_norm(one - other) <= tolerance * torch.linalg.vector_norm(other) + 1e-6)
