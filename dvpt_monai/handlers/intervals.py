"""Between which values the metrics of an evaluation lie, were its cases drawn anew."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler
from monai.metrics import Cumulative
from torch import Tensor

from dvpt_monai.handlers.label_scores import LabelScores
from dvpt_monai.handlers.processes import in_order
from dvpt_monai.handlers.scores import Scores, scores_of
from dvpt_monai.metrics import Interval, interval, resample, reweighted
from dvpt_monai.metrics.bootstrap import RESAMPLES

__all__ = ["intervals_of", "patients_of", "resampled"]

logger = logging.getLogger(__name__)


def intervals_of(
    engine: Engine, counts: Sequence[int], seed: int = 0, patients: Sequence[Hashable] | None = None
) -> dict[str, Interval]:
    """The interval of each metric that keeps its cases, by its name in ``engine.state.metrics`` or ``scores``.

    Any number of processes gives the same. What has no interval is left out, and the log says why.

    Args:
        engine: an evaluator at its end; MONAI's metrics have gathered the cases of all processes.
        counts: of the cases of each process, by rank.
        seed: of the drawing.
        patients: of each case, in the order of the data set; then these are drawn, each with all cases.
    """
    cases = sum(counts)
    units = cases if patients is None else len(set(patients))
    if units < 2:
        what = "cases" if patients is None else "patients"
        logger.warning("no intervals: they need two %s or more, there are %d", what, units)
        return {}
    measured = {**scores_of(engine), **engine.state.metrics}
    result = {}
    partial: dict[str, int] = {}
    for name, values in resampled(engine, counts, seed, patients).items():
        metric, whole = _number(measured.get(name)), float(values[0])
        if math.isnan(metric):
            continue
        # MONAI rounds some to four digits
        if not math.isclose(metric, whole, rel_tol=1e-4, abs_tol=1e-4):
            logger.warning("no interval of %s: it is %.6g, and %.6g of its cases; report this", name, metric, whole)
            continue
        ends = interval(values[1:], units)
        if ends.resamples < len(values) - 1:
            partial[name] = ends.resamples
        alone = ends.low == ends.high and ends.resamples < len(values) - 1
        if ends and not alone:  # a score that one case has is the same in each resample with that case
            result[name] = ends
    if partial:
        name = min(partial, key=partial.__getitem__)
        rest = len(partial) - 1
        more = f", as {rest} more scores in {max(partial.values())} or fewer" if rest else ""
        logger.warning(
            "few cases: %s has a value in %d of %d resamples%s; in the others no case of its class was drawn",
            *(name, partial[name], RESAMPLES, more),
        )
    return result


def resampled(
    engine: Engine, counts: Sequence[int], seed: int = 0, patients: Sequence[Hashable] | None = None
) -> dict[str, Tensor]:
    """What each metric that keeps its cases is of all of them, and then of each resample.

    Resamples of the same seed and number of cases draw the same cases, so values of two networks are paired.

    **Shape**: (1 + resamples,) each

    Args:
        engine: as in :func:`intervals_of`.
        counts: likewise.
        seed: likewise.
        patients: likewise.
    """
    cases = sum(counts)
    drawn = resample(cases, seed=seed, groups=patients)
    weights = torch.cat((torch.ones(1, cases, dtype=torch.float64), drawn))[:, _places(counts)]
    return {name: values for each in _attached(engine) for name, values in _values(each, weights).items()}


def patients_of(groups: Sequence[Any]) -> list[Hashable] | None:
    """Whose each case is, a case without a group its own; None where no case has one.

    Example:
        >>> patients_of(["anna", None, "anna"]), patients_of([None, ""])
        (['anna', 1, 'anna'], None)
    """
    known = any(groups)
    return [str(group) if group else place for place, group in enumerate(groups)] if known else None


def _attached(engine: Engine) -> Iterator[tuple[str, Cumulative] | LabelScores | Scores]:
    """The metrics of an engine. Ignite has no public list of them; what it calls at the end of an epoch is theirs."""
    for handlers in engine._event_handlers.values():
        for handler, *_ in handlers:
            owner = getattr(handler, "__self__", handler)
            if handler is owner and isinstance(owner, (LabelScores, Scores)):
                yield owner
            elif isinstance(owner, IgniteMetricHandler) and owner._name is not None:
                yield owner._name, owner.metric_fn


def _values(attached: tuple[str, Cumulative] | LabelScores | Scores, weights: Tensor) -> dict[str, Tensor]:
    if isinstance(attached, (LabelScores, Scores)):
        return attached.reweighted(weights)
    name, metric = attached
    values = reweighted(metric, weights)
    if isinstance(values, Mapping):
        return {str(each): of_each for each, of_each in values.items()}
    return {} if values is None else {name: values}


def _places(counts: Sequence[int]) -> Tensor:
    """Which case of the data set each row of the gathered buffers is, where rank follows rank.

    Example:
        >>> _places([3, 2])
        tensor([0, 2, 4, 1, 3])
    """
    rows = iter(range(sum(counts)))
    return torch.tensor(in_order([[next(rows) for _ in range(count)] for count in counts])).argsort()


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
