"""All cases, in parallel: a process holds the files of one case at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context

from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.verify.case import Case
from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.inspect import inspect

__all__ = ["walk", "workers_for"]

_FEW = 32
"""Cases that are read sooner than processes start."""


def workers_for(count: int) -> int:
    """As many processes as the machine lends cores, or one for few cases."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if count < _FEW else min(cores, 16)


def walk(
    cases: Sequence[Case],
    names: Mapping[int, str],
    workers: int | None = None,
    progress: bool = True,
    segments: Sequence[str] = (),
) -> list[Facts]:
    """Inspect every case; the facts are in the order of the cases, whatever the number of workers.

    Raises:
        DataError: a process was ended from outside, mostly for want of memory; names the cases that were being read.
    """
    count = workers_for(len(cases)) if workers is None else workers
    facts = _here(cases, names, segments) if count < 2 else _in_processes(cases, names, segments, count)
    done: dict[int, Facts] = {}
    for place, each in tqdm(facts, "Reading", len(cases), unit="case", leave=False, disable=None if progress else True):
        done[place] = each
    return [done[place] for place in range(len(cases))]


def _here(cases: Sequence[Case], names: Mapping[int, str], segments: Sequence[str]) -> Iterator[tuple[int, Facts]]:
    yield from ((place, inspect(case, names, segments)) for place, case in enumerate(cases))


def _in_processes(
    cases: Sequence[Case], names: Mapping[int, str], segments: Sequence[str], count: int
) -> Iterator[tuple[int, Facts]]:
    todo = iter(enumerate(cases))
    # a fork of a process with threads, such as PyTorch's, may hang
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        running: dict[Future[Facts], int] = {}
        while True:
            for place, case in islice(todo, 2 * count - len(running)):
                running[pool.submit(inspect, case, names, segments)] = place
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                try:
                    facts = future.result()
                except BrokenProcessPool as error:
                    files = ", ".join(str(cases[place].image) for place in sorted(running.values()))
                    raise DataError(
                        f"{files}: a process that was to read one of these has ended; if the memory did not suffice, "
                        "verify with --workers 1; a script has to call verify below if __name__ == '__main__':"
                    ) from error
                yield running.pop(future), facts
