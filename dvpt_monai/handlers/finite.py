"""A training that stops before a value that is no number reaches the network."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import Tensor, nn

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.torch_file import finite

__all__ = ["CheckPredictions", "StopAtNonFinite"]

logger = logging.getLogger(__name__)


class StopAtNonFinite:
    """Stop a training, or skip a step, whose loss or gradient is NaN or infinite; name the cases of the step.

    One such step makes every weight NaN, and each later network a constant one.

    Args:
        parameters: what the optimizer trains.
        skip: leave the step out, with a warning and a count, instead of stopping.

    Raises:
        DataError: before the optimizer's step; names the files, and what to look at.

    Example:
        >>> weight = nn.Parameter(torch.ones(1))
        >>> weight.grad = torch.tensor([math.nan])
        >>> engine = Engine(lambda engine, batch: None)
        >>> engine.state.batch = {"image": torch.zeros(1, 1, 2, 2)}
        >>> StopAtNonFinite([weight]).check_gradient(engine)
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: step 0: the gradient is not finite; ...
    """

    def __init__(self, parameters: Iterable[nn.Parameter], skip: bool = False) -> None:
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.skip = skip
        self.skipped = 0

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before what clips gradients."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.check_loss)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.check_gradient)

    def check_loss(self, engine: Engine) -> None:
        """The loss of the step."""
        output: Any = engine.state.output
        loss = output["loss"]
        if not math.isfinite(float(loss.detach())) and not self.skip:
            raise DataError(self._message(engine, f"the loss is {float(loss.detach())}"))

    def check_gradient(self, engine: Engine) -> None:
        """The gradient, before the optimizer sees it."""
        if getattr(engine, "scaler", None) is not None:
            return  # which leaves such steps out itself: its scale was too large for float16
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if not gradients or bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all()):
            return
        message = self._message(engine, "the gradient is not finite")
        if not self.skip:
            raise DataError(message)
        for parameter in self.parameters:
            parameter.grad = None  # an optimizer leaves alone what has none
        self.skipped += 1
        logger.warning("%s; the step is left out (%d so far)", message, self.skipped)

    def _message(self, engine: Engine, what: str) -> str:
        shown, own = cases_of(engine)
        remedy = "mend or leave out that file" if own else "lower the learning rates, or look at these cases"
        return f"step {engine.state.iteration}: {what}; {shown}. {remedy}; --non_finite skip goes on"


class CheckPredictions:
    """Stop an evaluation at a prediction that holds NaN or infinity, and name its case.

    The argmax of NaN is the background, and a score of it looks like any other.

    Raises:
        DataError: names the files, and what to look at.

    Example:
        >>> engine = Engine(lambda engine, batch: None)
        >>> engine.state.batch = {"image": torch.zeros(1, 1, 2, 2)}
        >>> engine.state.output = {"pred": torch.tensor([[0.5, math.nan]])}
        >>> CheckPredictions()(engine)
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: the prediction holds NaN or infinity; ...
    """

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Look at the predictions of a batch."""
        output: Any = engine.state.output
        predictions = output["pred"]
        lost = [index for index, prediction in enumerate(predictions) if not finite(torch.as_tensor(prediction))]
        if lost:
            shown, own = cases_of(engine, lost)
            remedy = "mend or leave out that file" if own else "look at the network's weights and at these cases"
            raise DataError(f"the prediction holds NaN or infinity; {shown}. {remedy}")


def cases_of(engine: Engine, suspects: Sequence[int] | None = None) -> tuple[str, bool]:
    """The cases of a batch in words, and whether an image of them is itself not finite.

    Args:
        engine: with the batch in its state.
        suspects: their places in the batch; all by default.
    """
    batch: Any = engine.state.batch
    images = batch.get("image") if isinstance(batch, dict) else None
    if images is None:
        return "cases of the step: unknown", False
    names = files_of(images)
    bad = [index for index, image in enumerate(images) if not finite(torch.as_tensor(image))]
    places = bad or (range(len(names)) if suspects is None else suspects)
    shown = [names[index] for index in places if index < len(names)] or names
    whose = "the image itself holds NaN or infinity: " if bad else "cases of the step: "
    return whose + ", ".join(shown), bool(bad)


def files_of(images: Tensor) -> list[str]:
    """The files of a batch, as far as they are known."""
    files = getattr(images, "meta", {}).get("filename_or_obj")
    return [str(file) for file in files] if isinstance(files, (list, tuple)) else [source_of(images)]
