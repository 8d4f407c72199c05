"""How a training goes through its steps: the learning rate, and when to validate."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

__all__ = ["interval", "one_cycle"]


def one_cycle(optimizer: Optimizer, steps: int, warmup: float = 0.2) -> OneCycleLR:
    """Raise each group's learning rate to its own value, and lower it to almost nothing (arXiv 1708.07120).

    Args:
        optimizer: what is scheduled; the rates of its groups are the highest ones.
        steps: of the whole training; fewer than 2 count as 2.
        warmup: share of the steps that raise it, of any number of steps: ``OneCycleLR`` itself divides by zero where
            its ``pct_start`` is one step. 0 begins at the highest rates.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        >>> schedule = one_cycle(optimizer, steps=5, warmup=0.2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(schedule.get_last_lr()[0], 4))
        ...     optimizer.step()
        ...     schedule.step() if len(rates) < 5 else None
        >>> rates
        [0.004, 0.099, 0.0691, 0.0222, 0.0]
    """
    total = max(2, steps)
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=(warmup * (total - 1) + 1) / total if warmup else 0.0,
        cycle_momentum=False,
    )


def interval(wanted: int, epochs: int) -> int:
    """Epochs between validations: at most as many as wanted, and such that the last epoch is validated.

    Example:
        >>> interval(5, 12)
        4
    """
    return max(count for count in range(1, wanted + 1) if epochs % count == 0)
