"""Ignite's progress bar with the loss on a screen, a line for each epoch in a log."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import ignite.handlers
from ignite.engine import Engine, Events
from monai.utils import CommonKeys
from tqdm.std import tqdm

__all__ = ["ProgressBar"]

logger = logging.getLogger(__name__)


class ProgressBar(ignite.handlers.ProgressBar):
    """Ignite's bar, to be attached by MONAI's engines, which give it no arguments.

    Where the output is neither a terminal nor a notebook, a bar would fill it with thousands of copies of itself. There
    one line at the end of each epoch is logged instead, with the time that it took, and of a trainer the mean loss.

    Args:
        arguments: of Ignite's ``ProgressBar``: ``persist`` keeps the bar of each epoch, ``desc`` names it.
        disable: True shows nothing anywhere, False the bar anywhere.
        options: further ones of Ignite's.

    Example:
        >>> engine = Engine(lambda engine, batch: [{"loss": 0.5}])
        >>> ProgressBar(desc="Training", disable=True).attach(engine)
        >>> engine.run([0, 1]).iteration
        2
    """

    def __init__(self, *arguments: Any, disable: bool | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._logs = disable is None and self.pbar_cls is tqdm and not sys.stderr.isatty()
        self._losses: list[float] = []
        self._start: float | None = None
        self.tqdm_kwargs["disable"] = disable or self._logs

    def attach(self, engine: Engine, *arguments: Any, **options: Any) -> None:  # type: ignore[override]
        """Attach to any engine; a trainer's bar shows the loss."""
        if not arguments:
            options.setdefault("output_transform", _loss)
        super().attach(engine, *arguments, **options)
        if self._logs:
            engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._log)

    def _begin(self, engine: Engine) -> None:
        self._losses, self._start = [], time.perf_counter()

    def _collect(self, engine: Engine) -> None:
        self._losses += _loss(engine.state.output).values()

    def _log(self, engine: Engine) -> None:
        if self._start is None:  # a training goes on behind the last step of an epoch
            return
        words = [str(self.tqdm_kwargs.get("desc") or "Epoch")]
        if self._losses:
            words[0] += f" [{engine.state.epoch}/{engine.state.max_epochs}]"
            words.append(f"mean loss {sum(self._losses) / len(self._losses):.3g}")
        logger.info("%s", ", ".join([*words, f"{time.perf_counter() - self._start:.1f} s"]))
        self._start = None


def _loss(output: Any) -> dict[str, float]:
    # MONAI decollates: a list with one dictionary for each case, and the loss of the batch in all of them.
    first = output[0] if isinstance(output, list) and output else output
    if isinstance(first, dict) and CommonKeys.LOSS in first:
        return {"loss": float(first[CommonKeys.LOSS])}
    return {}
