"""What an optimizer is given: groups of parameters, each at its own rate, and the rates' course."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.trains import matches, recorded
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = ["one_cycle", "parameter_groups"]

UNDECAYED = ("prompt", "gate", "magnitude", "cls_token", "register", "position", "depth")
"""Beginnings of the names of tensors with several axes that weight decay leaves alone."""


def parameter_groups(
    network: nn.Module, lr: float, head_lr: float | None = None, weight_decay: float = 1e-4
) -> list[dict[str, Any]]:
    """Optimizer groups of a network: fresh parts at their own rate; no decay on prompts, gates, biases and norms.

    Args:
        network: tuned, or with ``requires_grad`` set by hand.
        lr: learning rate of the method's parameters.
        head_lr: learning rate of the parts matched by ``train=``; ``lr`` when None.
        weight_decay: for weight matrices and kernels; a tuner names its prompts ``prompts*`` and its gate ``gate``.

    Raises:
        TuningError: nothing in the network trains.

    Example:
        >>> from torch import nn
        >>> from dvpt_monai import parameter_groups
        >>> [(len(g["params"]), g["weight_decay"]) for g in parameter_groups(nn.Linear(2, 2), lr=0.1)]
        [(1, 0.0001), (1, 0.0)]
    """
    network = unwrap_model(network)
    tuning = recorded(network)
    fresh = tuning.train if tuning else ()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        if not isinstance(value, nn.Parameter) or not value.requires_grad or id(value) in seen:
            continue
        seen.add(id(value))
        name = key.rsplit(".", 1)[-1]
        decays = value.ndim > 1 and not name.startswith(UNDECAYED)
        groups.setdefault((matches(key, fresh), decays), []).append(value)
    if not groups:
        raise TuningError(f"parameter_groups: nothing in {type(network).__name__} trains; call tune() first")
    return [
        {
            "params": parameters,
            "lr": head_lr if is_fresh and head_lr is not None else lr,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (is_fresh, decays), parameters in groups.items()
    ]


def one_cycle(optimizer: Optimizer, steps: int, warmup: float = 0.2) -> OneCycleLR:
    """Raise each group's learning rate to its own value, and lower it to almost nothing (arXiv 1708.07120).

    A training that goes on after the last step begins a new cycle, as every round of federated learning does.

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
    return _RepeatedOneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=(warmup * (total - 1) + 1) / total if warmup else 0.0,
        cycle_momentum=False,
    )


class _RepeatedOneCycleLR(OneCycleLR):
    """``OneCycleLR`` raises an error at the step after its last one."""

    def get_lr(self) -> list[Any]:
        step = self.last_epoch
        self.last_epoch = step % self.total_steps
        try:
            return super().get_lr()
        finally:
            self.last_epoch = step
