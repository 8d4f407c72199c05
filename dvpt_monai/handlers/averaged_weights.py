"""Validate and save the running mean of the weights, which swings less than the weights of the last step."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from dvpt_monai.handlers.trained import trained

__all__ = ["AveragedWeights"]


class AveragedWeights:
    """Keep an exponential moving average of what trains, and put it into the network while an evaluator runs.

    What validates and what is saved then has the averages; the training goes on with its own weights. In the first
    steps the average forgets faster, (1 + n) / (10 + n) after n of them, or it would long be that of the beginning.

    Args:
        network: what trains; tuned or not.
        decay: share of the average that a step leaves.
        evaluator: whose validations and savers see the averages.

    Example:
        >>> network = nn.Linear(1, 1, bias=False)
        >>> averaged = AveragedWeights(network, 0.5)
        >>> for value in (0.0, 1.0):
        ...     _ = nn.init.constant_(network.weight, value)
        ...     averaged.update()
        >>> averaged.state_dict()["average"]["weight"].item()
        0.8181818127632141
    """

    def __init__(self, network: nn.Module, decay: float, evaluator: Engine | None = None) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"AveragedWeights: decay is {decay}; give a share between 0 and 1, such as 0.999")
        self.network = network
        self.decay = decay
        self.evaluator = evaluator
        self.average: dict[str, Tensor] = {}
        self.steps = 0

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, and to the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.STARTED, self._exchange)
            self.evaluator.add_event_handler(Events.COMPLETED, self._exchange)

    @torch.no_grad()
    def update(self, engine: Engine | None = None) -> None:
        """Take up the weights of a step."""
        weight = 1.0 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in trained(self.network).items():
            if name not in self.average or not value.is_floating_point():
                self.average[name] = value.detach().clone()
            else:
                self.average[name].lerp_(value, weight)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """The averages so far, for a training that goes on later."""
        return {"average": {name: value.cpu() for name, value in self.average.items()}, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the averages of :meth:`state_dict`."""
        here = trained(self.network)
        self.average = {name: value.to(here[name].device) for name, value in state_dict["average"].items()}
        self.steps = state_dict["steps"]

    @torch.no_grad()
    def _exchange(self, evaluator: Engine) -> None:
        for name, value in trained(self.network).items():
            if name in self.average:
                other = self.average[name].clone()
                self.average[name].copy_(value)
                value.copy_(other)
