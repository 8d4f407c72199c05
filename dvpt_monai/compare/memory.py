"""The most memory that a step of a training holds."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events
from torch.profiler import ProfilerActivity, profile

__all__ = ["PeakMemory", "most_held"]


class PeakMemory:
    """Measure it: on a GPU over the whole training, on a CPU in its second step, whose optimizer has its state.

    A CPU's value is what torch's allocator holds at most within the step, and the tensors of the network and of the
    optimizer, so it is a method's own however many runs share a process.

    Args:
        network: that trains.
        optimizer: of it.
    """

    def __init__(self, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        self.cuda = next(network.parameters()).is_cuda
        self.bytes = 0
        self._profile: Any = None

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        if self.cuda:
            engine.add_event_handler(Events.STARTED, lambda _: torch.cuda.reset_peak_memory_stats())
            engine.add_event_handler(Events.COMPLETED, self._read)
        else:
            engine.add_event_handler(Events.ITERATION_STARTED(once=2), self._begin)
            engine.add_event_handler(Events.ITERATION_COMPLETED(once=2), self._end)

    def _read(self, engine: Engine) -> None:
        self.bytes = torch.cuda.max_memory_allocated()

    def _begin(self, engine: Engine) -> None:
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self._profile.__enter__()

    def _end(self, engine: Engine) -> None:
        self._profile.__exit__(None, None, None)
        states = [v for state in self.optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
        held = (*self.network.parameters(), *self.network.buffers(), *states)
        self.bytes = sum(t.numel() * t.element_size() for t in held) + most_held(self._profile)


def most_held(seen: Any) -> int:
    """The most bytes that were allocated and not freed at any time of a profile, beside those from before it."""
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
