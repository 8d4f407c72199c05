"""Ignite's progress bar, with the loss."""

from __future__ import annotations

from typing import Any

import ignite.handlers
from ignite.engine import Engine
from monai.utils import CommonKeys

__all__ = ["ProgressBar"]


class ProgressBar(ignite.handlers.ProgressBar):
    """Ignite's bar, to be attached by MONAI's engines, which give it no arguments.

    Args:
        arguments: of Ignite's ``ProgressBar``: ``persist`` keeps the bar of each epoch, ``desc`` names it.

    Example:
        >>> engine = Engine(lambda engine, batch: [{"loss": 0.5}])
        >>> ProgressBar(desc="Training", disable=True).attach(engine)
        >>> engine.run([0, 1]).iteration
        2
    """

    def attach(self, engine: Engine, *arguments: Any, **options: Any) -> None:  # type: ignore[override]
        """Attach to any engine; a trainer's bar shows the loss."""
        if not arguments:
            options.setdefault("output_transform", _loss)
        super().attach(engine, *arguments, **options)


def _loss(output: Any) -> dict[str, float]:
    # MONAI decollates: a list with one dictionary for each case, and the loss of the batch in all of them.
    first = output[0] if isinstance(output, list) and output else output
    if isinstance(first, dict) and CommonKeys.LOSS in first:
        return {"loss": float(first[CommonKeys.LOSS])}
    return {}
