"""Which method, for how many labels, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dvpt_monai.compare.runs import Row, read_rows
from dvpt_monai.compare.scores import Scores, scores
from dvpt_monai.compare.work import TABLE
from dvpt_monai.errors import DataError

__all__ = ["Chances", "advice", "chances", "choice", "recommended", "scored_rows"]

SURE = 0.95
NEAR = 0.01
"""What is level: a hundredth of a kappa, a Dice or an AUC."""
FEW = 30
"""Cases of which each moves a score by more than three hundredths."""


@dataclass(frozen=True)
class Chances:
    """How a method stands among the others, over resamples of cases and seeds.

    Args:
        scores: of the method.
        best: share of the resamples in which it is the best; those that several win are shared between them.
        near: share in which it lacks at most a hundredth to the best.
    """

    scores: Scores
    best: float
    near: float

    @property
    def trained(self) -> int:
        """The parameters that it trains, with the head."""
        return int(self.scores.row["trained_parameters"])


def chances(several: Sequence[Scores]) -> list[Chances]:
    """Those of each method that has resamples, the most promising first, of equal ones that which trains the least.

    Raises:
        DataError: they were scored on different cases.
    """
    several = [each for each in several if each.resampled]
    if len({each.cases for each in several}) > 1:
        counts = ", ".join(f"{each.method} on {each.cases}" for each in several)
        raise DataError(f"scored on different cases: {counts}; compare on one data set, or name another --out")
    if not several:
        return []
    values = torch.stack([each.spread() for each in several])
    values = values[:, values.isfinite().all(0)]
    if not values.shape[1]:
        return []
    best = values.max(0).values
    won = (values == best).double()
    won = won / won.sum(0)  # a draw is shared
    result = [
        Chances(
            each,
            best=float(won[place].mean()),
            near=float((values[place] >= best - NEAR).double().mean()),
        )
        for place, each in enumerate(several)
    ]
    return sorted(result, key=lambda each: (-each.best, -each.near, each.trained, each.scores.method))


def choice(ranked: Sequence[Chances]) -> Chances:
    """The method to go on with: the sure best, of level ones that which trains the least, else the most promising."""
    return min(_level(ranked), key=lambda each: each.trained, default=ranked[0])


def _level(ranked: Sequence[Chances]) -> list[Chances]:
    """Those that surely lack next to nothing, where no method is surely the best."""
    return [] if ranked[0].best >= SURE else [each for each in ranked if each.near >= SURE]


def advice(ranked: Sequence[Chances]) -> str:
    """One sentence: the method of :func:`choice` where it is decided, else what is open."""
    first = ranked[0]
    name = first.scores.method
    if len(ranked) == 1:
        return f"{name} alone has been measured; a comparison needs another method"
    seeds, cases = len(first.scores.values), first.scores.cases
    measured = f"of {cases} cases and {seeds} {'seed' if seeds == 1 else 'seeds'}"
    few = "; so few cases decide little" if cases < FEW else ""
    if first.best >= SURE:
        return f"Take {name}: it is the best in {first.best:.0%} of the resamples {measured}{few}"
    level = _level(ranked)
    if level:
        least = choice(ranked)
        others = [each.scores.method for each in level if each is not least]
        beside = f", as {' and '.join(others)}, and trains the least of these, which are level" if others else ""
        near = f"it is within {NEAR} of the best in {least.near:.0%} of the resamples {measured}"
        return f"Take {least.scores.method}: {near}{beside}{few}"
    second = ranked[1]
    return (
        f"Not decided: {name} is the best in {first.best:.0%} of the resamples, {second.scores.method} in "
        f"{second.best:.0%}, {measured}; more of either may tell"
    )


def recommended(out: Path) -> dict[float, list[Chances]]:
    """The chances from the rows of a folder so far, by the share of the labels.

    Raises:
        DataError: no run has been scored, or the rows are of several tasks or options.
    """
    by_fraction: dict[float, list[Scores]] = {}
    for each in scores(scored_rows(out), out):
        by_fraction.setdefault(each.fraction, []).append(each)
    return {fraction: chances(by_fraction[fraction]) for fraction in sorted(by_fraction)}


def scored_rows(out: Path) -> list[Row]:
    """The rows of a folder that its methods are judged by: of each, the runs of the settings that were chosen last.

    Raises:
        DataError: no run has been scored, or the rows are of several tasks or options.
    """
    rows = [row for row in read_rows(out / TABLE).values() if row["stage"] != "search" and not row["error"]]
    if not rows:
        raise DataError(
            f"{out / TABLE}: no run has been scored yet; python -m dvpt_monai compare --out {out} makes some"
        )
    kinds = {(row["task"], row["options"], row["stage"]) for row in rows}
    if len(kinds) > 1:
        listed = "; ".join(f"{task} by {stage}, {options}" for task, options, stage in sorted(kinds))
        raise DataError(f"{out / TABLE}: rows of several comparisons ({listed}); give each an --out of its own")
    return _latest(rows)


def _latest(rows: Sequence[Row]) -> list[Row]:
    """Of each method and share of the labels the runs of the settings that were chosen last."""
    last = {(row["method"], row["fraction"]): row for row in sorted(rows, key=lambda row: row["finished"])}

    def chosen(row: Row) -> bool:
        newest = last[row["method"], row["fraction"]]
        return (row["settings"], row["arguments"]) == (newest["settings"], newest["arguments"])

    return [row for row in rows if chosen(row)]
