"""A comparison as a list of runs, which follows from the rows of those that are done."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any
from zlib import crc32

from dvpt_monai.compare.entrants import Entrant, target
from dvpt_monai.compare.runs import Row
from dvpt_monai.compare.search import HEAD, draw, rungs, survivors
from dvpt_monai.tuning import Method

__all__ = ["Run", "Study", "number"]


@dataclass(frozen=True)
class Run:
    """One training, and what it is scored on.

    Args:
        entrant: whose it is.
        method: as it trains.
        settings: what the search chose, as options.
        stage: ``search`` and ``folds`` score one fold of the training cases, ``test`` the test cases.
        fraction: of the labelled training cases.
        seed: of the training, and of the choice of a fraction.
        fold: that validates; None where all training cases train.
        trial: of the search; None after it.
        options: of the bundle, for every run.
        config: which configs these are.
    """

    entrant: Entrant
    method: Method
    settings: Mapping[str, Any]
    stage: str
    fraction: float
    seed: int
    fold: int | None
    trial: int | None
    options: Mapping[str, Any]
    config: str

    @cached_property
    def key(self) -> str:
        """The name of the run: the same for what would be the same training under the same name."""
        options = {**self.options, **self.entrant.options, **self.settings}
        place = [self.stage, self.fraction, self.seed, self.fold]
        content = [str(self.entrant), self.config, target(self.method), options, *place]
        return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        place = f"trial {self.trial + 1}, fold {self.fold}" if self.trial is not None else f"seed {self.seed}"
        fold = f", fold {self.fold}" if self.stage == "folds" else ""
        fraction = f", {self.fraction:.0%} of the labels" if self.fraction < 1 else ""
        return f"{self.entrant}{fraction}, {self.stage}, {place}{fold}"


@dataclass(frozen=True)
class Study:
    """What is compared, and how thoroughly.

    Args:
        entrants: the others are compared with the first.
        trials: settings that each tries for each fraction; 1 searches nothing and takes the bundle's own.
        seeds: repetitions with the best settings.
        fractions: of the labelled training cases.
        score: ``test`` reads the test cases, once a seed; ``folds`` reads none of them, and scores each fold of the
            training cases by a network of the others.
        folds: of the training cases; 1 where the bundle says which cases validate.
        options: of the bundle, for every run.
        known: names of the bundle's options.
        config: which configs these are.
    """

    entrants: tuple[Entrant, ...]
    trials: int = 8
    seeds: int = 3
    fractions: tuple[float, ...] = (1.0,)
    score: str = "test"
    folds: int = 5
    options: Mapping[str, Any] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    config: str = ""

    def runs(self, rows: Mapping[str, Row]) -> list[Run]:
        """The runs that are known, given the rows of those that ended: which follow, the search has to tell."""
        courses = [self._course(entrant, fraction, rows) for fraction in self.fractions for entrant in self.entrants]
        return [run for course in courses for run in course]

    def ready(self, rows: Mapping[str, Row]) -> list[Run]:
        """The runs that may start; empty when all is done."""
        return [run for run in self.runs(rows) if run.key not in rows]

    def scored(self, rows: Mapping[str, Row]) -> list[Run]:
        """The runs that the comparison rests on, as far as they ended."""
        return [run for run in self.runs(rows) if run.trial is None and run.key in rows]

    def count(self, entrant: Entrant) -> int:
        """How many runs one has for each fraction, if none fails."""
        scored = self.seeds * (self.folds if self.score == "folds" else 1)
        return scored + (sum(rungs(self.trials)) if self._space(entrant) else 0)

    def _course(self, entrant: Entrant, fraction: float, rows: Mapping[str, Row]) -> list[Run]:
        """The runs of one, to the end of the first rung that has not ended."""
        done, left = self._search(entrant, fraction, rows)
        folds = range(self.folds) if self.score == "folds" else (None,)
        return done + [
            self._run(entrant, settings, self.score, fraction, seed, fold)
            for settings in left[:1]
            for seed in range(self.seeds)
            for fold in folds
        ]

    def _search(
        self, entrant: Entrant, fraction: float, rows: Mapping[str, Row]
    ) -> tuple[list[Run], list[dict[str, Any]]]:
        """The runs of the search, and the settings that it ended with: none before its end, or if all of it failed."""
        space = self._space(entrant)
        if self.trials == 1 or not space:
            return [], [{}]
        tried = draw(space, self.trials, [crc32(str(entrant).encode()), int(fraction * 1e6)])
        scores: dict[int, list[float]] = {trial: [] for trial in range(self.trials)}
        runs: list[Run] = []
        for rung in range(len(rungs(self.trials))):
            if len(scores) < 2:
                break
            seed, fold = divmod(rung, self.folds)
            these = {t: self._run(entrant, tried[t], "search", fraction, seed, fold, t) for t in scores}
            runs += these.values()
            if any(run.key not in rows for run in these.values()):
                return runs, []
            for trial, run in these.items():
                scores[trial].append(number(rows[run.key]["value"]))
            scores = {trial: scores[trial] for trial in survivors(scores)}
        return runs, [tried[trial] for trial in scores]

    def _space(self, entrant: Entrant) -> dict[str, Any]:
        """What is tried: nothing that an option gives, nor what the bundle has no option for."""
        own = {each.name for each in dataclasses.fields(entrant.method)}
        given = {*self.options, *entrant.options, *entrant.method.changed()}
        space = {**HEAD, **entrant.method.search}
        return {name: values for name, values in space.items() if name not in given and name in own | self.known}

    def _run(
        self,
        entrant: Entrant,
        settings: Mapping[str, Any],
        stage: str,
        fraction: float,
        seed: int,
        fold: int | None,
        trial: int | None = None,
    ) -> Run:
        fields = {each.name for each in dataclasses.fields(entrant.method)}
        arguments = {name: value for name, value in settings.items() if name in fields}
        options = {name: value for name, value in settings.items() if name not in fields}
        method = dataclasses.replace(entrant.method, **arguments) if arguments else entrant.method
        return Run(entrant, method, options, stage, fraction, seed, fold, trial, self.options, self.config)


def number(text: str) -> float:
    """A cell as a number; NaN where it is empty."""
    return float(text) if text else math.nan
