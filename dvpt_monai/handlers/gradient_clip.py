"""Gradients of at most a given norm."""

from __future__ import annotations

from collections.abc import Iterable

from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import nn
from torch.nn.utils import clip_grad_norm_

__all__ = ["GradientClip"]


class GradientClip:
    """Between backward pass and optimizer step, scale the gradients down to a total norm.

    Args:
        parameters: what the optimizer trains; frozen parameters do no harm.
        max_norm: largest norm of all gradients together; 0 switches off.

    Example:
        >>> import torch
        >>> weight = nn.Parameter(torch.ones(1))
        >>> weight.grad = torch.full((1,), 5.0)
        >>> GradientClip([weight], max_norm=1.0)(Engine(lambda engine, batch: None))
        >>> f"{weight.grad.item():.3f}"
        '1.000'
    """

    def __init__(self, parameters: Iterable[nn.Parameter], max_norm: float = 1.0) -> None:
        self.parameters = list(parameters)
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        if self.max_norm > 0:
            engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clip."""
        clip_grad_norm_(self.parameters, self.max_norm)
