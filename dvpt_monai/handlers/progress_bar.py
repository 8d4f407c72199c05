"""Ignite's progress bar with the loss on a screen, a line for each epoch in a log."""

from __future__ import annotations

import logging
import sys
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
    a trainer logs a line at the end of each epoch instead, with its mean loss, and other engines nothing.

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
        self.tqdm_kwargs["disable"] = disable or self._logs

    def attach(self, engine: Engine, *arguments: Any, **options: Any) -> None:  # type: ignore[override]
        """Attach to any engine; a trainer's bar shows the loss."""
        if not arguments:
            options.setdefault("output_transform", _loss)
        super().attach(engine, *arguments, **options)
        if self._logs:
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._log)

    def _collect(self, engine: Engine) -> None:
        self._losses += _loss(engine.state.output).values()

    def _log(self, engine: Engine) -> None:
        if self._losses:
            title, epochs = self.tqdm_kwargs.get("desc", "Epoch"), engine.state.max_epochs
            mean = sum(self._losses) / len(self._losses)
            logger.info("%s [%d/%s], mean loss %.3g", title, engine.state.epoch, epochs, mean)
        self._losses = []


def _loss(output: Any) -> dict[str, float]:
    # MONAI decollates: a list with one dictionary for each case, and the loss of the batch in all of them.
    first = output[0] if isinstance(output, list) and output else output
    if isinstance(first, dict) and CommonKeys.LOSS in first:
        return {"loss": float(first[CommonKeys.LOSS])}
    return {}
