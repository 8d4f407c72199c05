"""Gradients of at most a given norm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ignite.engine import Engine, Events
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from dvpt_monai.errors import TuningError

__all__ = ["GradientClip"]


class GradientClip:
    """Scale the gradients down to a total norm, whenever the optimizer is about to step and at no other time.

    So gradients that several batches accumulate are clipped once, as their sum, and those of mixed precision behind
    their unscaling, as if there were no scale.

    Args:
        parameters: what the optimizer trains; frozen parameters do no harm.
        max_norm: largest norm of all gradients together; 0 switches off.

    Raises:
        TuningError: when the run starts, on an engine without an optimizer.

    Example:
        >>> import torch
        >>> weight = nn.Parameter(torch.zeros(1))
        >>> optimizer = torch.optim.SGD([weight], lr=1.0)
        >>> handle = optimizer.register_step_pre_hook(GradientClip([weight], max_norm=1.0))
        >>> weight.grad = torch.full((1,), 5.0)
        >>> optimizer.step()
        >>> f"{weight.item():.3f}"
        '-1.000'
    """

    def __init__(self, parameters: Iterable[nn.Parameter], max_norm: float = 1.0) -> None:
        self.parameters = list(parameters)
        self.max_norm = max_norm
        self.hook: RemovableHandle | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, whose optimizer steps through this handler while it runs."""
        if self.max_norm > 0:
            engine.add_event_handler(Events.STARTED, self.start)
            engine.add_event_handler(Events.COMPLETED, self.stop)

    def start(self, engine: Engine) -> None:
        """Clip from now on."""
        self.stop(engine)  # an interrupted run may have left its own
        optimizer: Any = getattr(engine, "optimizer", None)
        if not isinstance(optimizer, Optimizer):
            raise TuningError(f"GradientClip: {type(engine).__name__} has no optimizer; attach it to a trainer")
        self.hook = optimizer.register_step_pre_hook(self)

    def stop(self, engine: Engine) -> None:
        """Clip no more."""
        if self.hook is not None:
            self.hook.remove()
            self.hook = None

    def __call__(self, optimizer: Optimizer, *unused: Any) -> None:
        """Clip."""
        # A fused optimizer unscales in its own kernel: a GradScaler leaves it the scale, and the gradients as they are.
        scale = getattr(optimizer, "grad_scale", None)
        clip_grad_norm_(self.parameters, self.max_norm if scale is None else self.max_norm * float(scale))
