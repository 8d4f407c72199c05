"""What the runs of a method came to, and how far two methods differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dvpt_monai.compare.runs import Row
from dvpt_monai.compare.study import number
from dvpt_monai.compare.train import RESAMPLED
from dvpt_monai.metrics import Interval, interval, resample

__all__ = ["Scores", "difference", "scores"]

NONE = Interval(math.nan, math.nan, cases=0, resamples=0)


@dataclass(frozen=True, eq=False)
class Scores:
    """The runs of one method with one share of the labels.

    Args:
        method: as it is typed.
        fraction: of the labels.
        metric: the key metric.
        values: of it, by seed; over the folds their mean.
        resampled: the same of each resample of the cases, by seed.
        cases: that were scored.
        training_cases: of the first seed.
        row: of the first seed, for what all have alike.
    """

    method: str
    fraction: float
    metric: str
    values: Mapping[int, float]
    resampled: Mapping[int, NDArray[Any]]
    cases: int
    training_cases: int
    row: Row

    @property
    def value(self) -> float:
        """The mean over the seeds."""
        return sum(self.values.values()) / len(self.values)

    @property
    def interval(self) -> Interval:
        """Of the mean, over cases and seeds; none where a seed has no resamples."""
        return interval(self.spread(), self.cases) if self.values.keys() == self.resampled.keys() else NONE

    def spread(self, seeds: Iterable[int] | None = None) -> Tensor:
        """The mean over seeds, drawn with replacement, of each resample; **Shape** (resamples,)."""
        chosen = sorted(self.resampled) if seeds is None else sorted(seeds)
        values = torch.from_numpy(np.stack([self.resampled[seed] for seed in chosen]))
        return (resample(len(chosen), values.shape[1], seed=1).T * values).sum(0) / len(chosen)


def difference(one: Scores, other: Scores) -> tuple[float, Interval]:
    """How much better one method is than another, by cases and seeds that both have: paired."""
    seeds = sorted(one.resampled.keys() & other.resampled.keys())
    if not seeds:
        return math.nan, NONE
    gap = sum(one.values[seed] - other.values[seed] for seed in seeds) / len(seeds)
    return gap, interval(one.spread(seeds) - other.spread(seeds), one.cases)


def scores(rows: Iterable[Row], out: Path) -> list[Scores]:
    """One for each method and share of the labels, in order of appearance; runs that failed are left out.

    Args:
        rows: of runs that were scored by test cases, or by folds.
        out: folder of the runs.
    """
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        if not row["error"]:
            groups.setdefault((row["method"], float(row["fraction"])), []).append(row)
    return [_scores(method, fraction, group, out) for (method, fraction), group in groups.items()]


def _scores(method: str, fraction: float, rows: list[Row], out: Path) -> Scores:
    seeds: dict[int, list[Row]] = {}
    for row in rows:
        seeds.setdefault(int(row["seed"]), []).append(row)
    folds = max(map(len, seeds.values()))
    seeds = {seed: each for seed, each in seeds.items() if len(each) == folds}  # others lack a fold
    first = next(iter(seeds.values()))
    return Scores(
        method=method,
        fraction=fraction,
        metric=first[0]["metric"],
        values={seed: float(np.mean([number(row["value"]) for row in each])) for seed, each in seeds.items()},
        resampled={
            seed: np.mean([np.load(out / "runs" / row["run"] / RESAMPLED) for row in each], axis=0)
            for seed, each in seeds.items()
            if all((out / "runs" / row["run"] / RESAMPLED).is_file() for row in each)
        },
        cases=sum(int(row["scored_cases"]) for row in first),
        training_cases=round(np.mean([int(row["training_cases"]) for row in first])),
        row=first[0],
    )
