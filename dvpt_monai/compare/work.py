"""Make every run of a study that is not done, beside any number of processes that do the same."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import Timeout

from dvpt_monai.compare.bundle import Bundle
from dvpt_monai.compare.runs import Row, add_row, read_rows
from dvpt_monai.compare.study import Run, Study, number
from dvpt_monai.compare.train import train
from dvpt_monai.held_folder import hold
from dvpt_monai.units import duration

__all__ = ["TABLE", "finished", "work"]

TABLE = "runs.csv"
WAIT = 1.0
"""Seconds until one looks again, where others make all that may start."""


def work(study: Study, bundle: Bundle, out: Path, jobs: int = 1) -> dict[str, Row]:
    """Make the runs and give the rows.

    Args:
        study: what is compared.
        bundle: of it.
        out: folder of the table and of the runs; several processes may share it.
        jobs: processes, each of which takes its share of the cores.
    """
    since = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    rows = finished(out, since)
    print(_plan(study, rows, jobs), file=sys.stderr)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_work, args=(study, bundle, out, jobs, since)) for _ in range(jobs - 1)]
    for each in others:
        each.start()
    try:
        _work(study, bundle, out, jobs, since)
    except BaseException:
        for each in others:
            each.terminate()
        raise
    for each in others:
        each.join()
    return finished(out, since)


def finished(out: Path, since: str) -> dict[str, Row]:
    """The rows of a folder by their run, but for those that had failed before a time: these are made once more."""
    rows = read_rows(out / TABLE)
    return {key: row for key, row in rows.items() if not row["error"] or row["finished"] >= since}


def _work(study: Study, bundle: Bundle, out: Path, jobs: int, since: str) -> None:
    if jobs > 1:
        import torch

        torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // jobs)))
    while ready := study.ready(finished(out, since)):
        for run in ready:
            with _taken(out / "runs" / run.key) as mine:
                if mine and run.key not in finished(out, since):
                    row = train(bundle, run, out / "runs" / run.key)
                    add_row(out / TABLE, row)
                    print(_progress(study, run, row, finished(out, since), jobs), file=sys.stderr, flush=True)
                    break
        else:
            time.sleep(WAIT)


@contextmanager
def _taken(folder: Path) -> Iterator[bool]:
    """Whether a run's folder is this process's for the time of a ``with`` block; the system frees it after a kill."""
    try:
        lock = hold(folder)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _plan(study: Study, rows: Mapping[str, Row], jobs: int) -> str:
    total, done = _counts(study, rows)
    words = f"{total} runs of {len(study.entrants)} methods"
    if done:
        words += f", {done} of them done; about {duration(_seconds_left(study, rows) / jobs)} left"
    else:
        words += "; the first tells how long they take"
    return words


def _progress(study: Study, run: Run, row: Mapping[str, Any], rows: Mapping[str, Row], jobs: int) -> str:
    total, done = _counts(study, rows)
    result = row.get("error") or f"{row['metric'].replace('_', ' ')} {row['value']:.3f}"
    left = _seconds_left(study, rows) / jobs
    end = f"; about {duration(left)} left" if left else ""
    return f"[{done}/{total}] {run}: {result}, {duration(float(row['seconds']))}{end}"


def _counts(study: Study, rows: Mapping[str, Row]) -> tuple[int, int]:
    total = len(study.fractions) * sum(map(study.count, study.entrants))
    return total, sum(run.key in rows for run in study.runs(rows))


def _seconds_left(study: Study, rows: Mapping[str, Row]) -> float:
    """By what the method's runs took so far for each label, else by what all took."""
    known = [(str(run.entrant), run.fraction, rows[run.key]) for run in study.runs(rows) if run.key in rows]
    if not known:
        return 0.0

    def rate(those: list[tuple[str, float, Row]]) -> float:
        return sum(number(row["seconds"]) / fraction for _, fraction, row in those) / len(those)

    left = 0.0
    for entrant in study.entrants:
        own = [each for each in known if each[0] == str(entrant)]
        for fraction in study.fractions:
            done = sum(each[1] == fraction for each in own)
            left += max(0, study.count(entrant) - done) * fraction * rate(own or known)
    return left
