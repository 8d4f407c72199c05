"""A data loader whose every epoch can be had again, from any batch on and with any number of workers."""

from __future__ import annotations

import atexit
import hashlib
import multiprocessing
import random
import signal
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from monai.data import DataLoader
from monai.data.utils import worker_init_fn
from monai.transforms import Randomizable
from torch.utils.data import Dataset, RandomSampler, Sampler, SequentialSampler

from dvpt_monai.data.name import name_or_path

__all__ = ["Drawn", "ReplayLoader"]


class ReplayLoader(DataLoader):
    """MONAI's data loader, with an order and an augmentation that depend on nothing but (seed, epoch, case).

    What ``DataLoader`` draws depends on all that was drawn before it and on the number of workers, so that no training
    can be taken up in the middle. Here the order of an epoch is drawn from (seed, epoch), and the random transforms of
    a case from (seed, epoch, case); outside the loader no random number generator moves.

    Args:
        dataset: cases with their transforms; MONAI's random transforms, and those that draw from the generators of
            torch, numpy or Python.
        shuffle: whether each epoch has an order of its own; not beside a sampler.
        sampler: any sampler that draws from its ``generator``, or has the ``set_epoch`` of distributed samplers.
        seed: of everything that is drawn.
        views: how many draws of the random transforms a case has, which then come again; 0 draws anew in every epoch.
        rank: of several processes that share each epoch; a step of theirs has the cases of one step with a batch of
            all their sizes together. Where the cases do not divide equally, the first of an epoch come twice.
        ranks: number of these processes.
        arguments: further ones of MONAI's ``DataLoader``: ``batch_size``, ``num_workers``, ``drop_last`` ...

    Example:
        >>> loader = ReplayLoader(range(4), shuffle=True, seed=0)
        >>> first, second = [batch.tolist() for batch in loader], [batch.tolist() for batch in loader]
        >>> loader.start(epoch=1, batch=2)
        >>> [batch.tolist() for batch in loader] == second[2:]
        True
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = False,
        sampler: Sampler[int] | None = None,
        seed: int = 0,
        views: int = 0,
        rank: int = 0,
        ranks: int = 1,
        **arguments: Any,
    ) -> None:
        if shuffle and sampler is not None:
            raise ValueError("ReplayLoader: give shuffle or a sampler, not both")
        source: Any = sampler
        if source is None:
            source = RandomSampler(dataset, generator=torch.Generator()) if shuffle else SequentialSampler(dataset)
        self.course = Course(source, seed, arguments.get("batch_size", 1), rank, ranks)
        # a generator of its own: the seeds that PyTorch hands to workers then come from no other
        generator = torch.Generator().manual_seed(seed)
        begin = Undisturbed(arguments.pop("worker_init_fn", worker_init_fn))
        _end_workers_at_exit()
        drawn = dataset if isinstance(dataset, Drawn) else Drawn(dataset, seed, views)
        super().__init__(drawn, sampler=self.course, generator=generator, worker_init_fn=begin, **arguments)

    def start(self, epoch: int, batch: int = 0) -> None:
        """Let the next iteration be that of an epoch, counted from 0, without its first batches."""
        self.course.epoch, self.course.skipped = epoch, batch


class Undisturbed:
    """What begins a worker: signals for the whole group of processes are the training's, which ends its workers."""

    def __init__(self, then: Callable[[int], None]) -> None:
        self.then = then

    def __call__(self, number: int) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        self.then(number)


@cache
def _end_workers_at_exit() -> None:
    """At exit Python ends what an error has left by SIGTERM, which our workers ignore, and would wait for ever."""

    def end() -> None:
        if hasattr(signal, "SIGCHLD"):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch would raise for each that ends
        for process in multiprocessing.active_children():
            if process.daemon:
                process.kill()

    atexit.register(end)  # what is registered later runs first


class Course(Sampler[tuple[int, int]]):
    """The order of each epoch, or a process's share of it, as pairs (epoch, case); each iteration is the next epoch.

    Example:
        >>> [[case for _, case in Course(SequentialSampler(range(5)), 0, 1, rank, 2)] for rank in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(self, source: Any, seed: int, batch_size: int, rank: int = 0, ranks: int = 1) -> None:
        self.source = source
        self.seed = seed
        self.batch_size = batch_size
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        self.skipped = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, skipped = self.epoch, self.skipped * self.batch_size
        self.epoch, self.skipped = epoch + 1, 0
        if hasattr(self.source, "set_epoch"):
            self.source.set_epoch(epoch)
        elif getattr(self.source, "generator", None) is not None:
            self.source.generator.manual_seed(seed_of(self.seed, epoch))
        order = list(self.source)
        order += order[: -len(order) % self.ranks]
        return ((epoch, case) for case in order[self.rank :: self.ranks][skipped:])

    def __len__(self) -> int:
        return -(-len(self.source) // self.ranks)


class Drawn(Dataset[Any]):
    """Another data set, whose random transforms draw from (seed, epoch, case).

    Args:
        dataset: of which an item is asked for as (epoch, case).
        seed: of the draws.
        views: with these, view ``epoch % views`` of a case is drawn from (seed, view, name of the case), so that it is
            the same in every list that the case is in; the data set then has its cases as ``data``.
    """

    def __init__(self, dataset: Any, seed: int, views: int = 0) -> None:
        self.dataset = dataset
        self.seed = seed
        self.views = views

    def __len__(self) -> int:
        return len(cast(Sized, self.dataset))

    def __getitem__(self, place: tuple[int, int]) -> Any:
        epoch, case = place
        seed = self.seed_of_draw(epoch, case)
        for part in (self.dataset, getattr(self.dataset, "transform", None)):
            if isinstance(part, Randomizable):
                part.set_random_state(seed)
        with generators(seed):
            return self.dataset[case]

    def seed_of_draw(self, epoch: int, case: int) -> int:
        """What the random transforms of a case draw from in an epoch."""
        if not self.views:
            return seed_of(self.seed, epoch, case)
        name = hashlib.sha256(name_or_path(self.dataset.data[case]).encode()).digest()
        return seed_of(self.seed, epoch % self.views, int.from_bytes(name[:8], "big"))


def seed_of(*numbers: int) -> int:
    """One seed of 32 bits from several numbers, near ones of which give seeds that have nothing in common.

    Example:
        >>> seed_of(0, 1) == seed_of(0, 1), seed_of(0, 1) == seed_of(1, 0)
        (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@contextmanager
def generators(seed: int) -> Iterator[None]:
    """Seed the generators of torch, numpy and Python for a ``with`` block; afterwards they are as before it."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
