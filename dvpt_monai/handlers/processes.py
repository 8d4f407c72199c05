"""What several processes have seen of one data set, put together again."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

import torch
import torch.distributed as dist
from ignite.engine import Engine
from torch import Tensor

from dvpt_monai.errors import BundleError, did_you_mean

__all__ = ["alone", "details_of", "first_process", "gather", "highest", "in_order"]


def gather(rows: list[Any]) -> list[list[Any]]:
    """The rows of every process, by rank; every process has to ask. Alone, its own are all."""
    if alone():
        return [rows]
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, rows)
    return parts


def in_order(parts: list[list[Any]]) -> list[Any]:
    """The rows as the data set has them, of which MONAI's ``DistributedSampler`` deals every process one in turn.

    Example:
        >>> in_order([["a", "c", "e"], ["b", "d"]])
        ['a', 'b', 'c', 'd', 'e']
    """
    nothing = object()
    return [row for row in chain.from_iterable(zip_longest(*parts, fillvalue=nothing)) if row is not nothing]


def alone() -> bool:
    """Whether this process belongs to no group of processes."""
    return not (dist.is_available() and dist.is_initialized())


def first_process() -> bool:
    """Whether this process is the one that writes."""
    return alone() or dist.get_rank() == 0


def highest(numbers: list[int], device: torch.device | str) -> list[int]:
    """Of each number the highest of all processes; every process has to ask. Alone, its own are the highest."""
    if alone():
        return numbers
    values = torch.tensor(numbers, device=device)
    dist.all_reduce(values, dist.ReduceOp.MAX)
    return [int(value) for value in values.tolist()]


def details_of(engine: Engine, metric: str, handler: str) -> Tensor:
    """What one of MONAI's metrics kept of each case, which it has gathered, in the order of the ranks.

    Args:
        engine: the evaluator.
        metric: its name.
        handler: who asks, for the message.

    Raises:
        BundleError: there is no such metric, or it keeps no details.
    """
    details: dict[str, Tensor] = getattr(engine.state, "metric_details", {})
    if metric not in details:
        near = did_you_mean(metric, details)
        meant = f", did you mean {near!r}?" if near else f"; there are some of {sorted(details)}"
        raise BundleError(f"{handler}: no details of a metric {metric!r}{meant}")
    return details[metric]
