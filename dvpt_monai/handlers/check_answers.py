"""An evaluation that stops at an answer that is no number, before it is taken for a class or a structure."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine
from monai.engines import IterationEvents
from monai.utils import CommonKeys
from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.handlers.finite import files_of, finite

__all__ = ["CheckAnswers"]


class CheckAnswers:
    """Stop where a network answers NaN or infinity, and name the case.

    The highest of several values is NaN where one of them is: it would be scored as that structure, and a NaN of all as
    the first class.

    Raises:
        DataError: names the files, and what to look at.

    Example:
        >>> import torch
        >>> engine = Engine(lambda engine, batch: None)
        >>> engine.state.batch = {"image": torch.zeros(1, 1, 2, 2)}
        >>> engine.state.output = {"pred": torch.full((1, 2), float("nan"))}
        >>> CheckAnswers()(engine)
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: (in memory): the network answers NaN or infinity; ...
    """

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Look at the answers of a batch, before any postprocessing."""
        output: Any = engine.state.output
        answers = output[CommonKeys.PRED]
        if not isinstance(answers, Tensor) or finite(answers):
            return
        batch: Any = engine.state.batch
        images = batch[CommonKeys.IMAGE]
        names = files_of(images)
        bad = [place for place, answer in enumerate(answers) if not finite(answer)]
        shown = [names[place] for place in bad if place < len(names)] or names
        itself = not all(finite(images[place]) for place in bad)
        remedy = "mend or leave out that file: the image holds them itself"
        if not itself:
            remedy = "train anew with lower learning rates, or with --precision float32"
        raise DataError(f"{', '.join(shown)}: the network answers NaN or infinity; {remedy}")
