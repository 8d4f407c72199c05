"""Methods of equal size: a comparison is fair when each may train as much as the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.trains import report
from dvpt_monai.tuning.tune import remember, tune, untune

__all__ = ["match_budget"]


def match_budget(method: Method, network: nn.Module, percent: float) -> Method:
    """The largest version of a method that trains at most ``percent`` of a network's backbone.

    The one argument that sets the size (``num_prompts``, ``rank``, ``bottleneck``, ...: ``type(method).size``) is
    searched; the others stay as they are. Head and decoder do not count.

    Args:
        method: which method, with its other arguments.
        network: the plain network that it is for; it is left as it was.
        percent: largest :attr:`~dvpt_monai.Report.percent`.

    Raises:
        TuningError: the method has no such argument, or its smallest version trains more.

    Example:
        >>> import torch
        >>> from dvpt_monai import DVPT, LoRA, ViTClassifier, match_budget
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = ViTClassifier(num_classes=5, in_channels=3, img_size=224)
        >>> match_budget(LoRA(), net, percent=0.5).rank, match_budget(DVPT(), net, percent=0.5).bottleneck
        (11, 22)
    """
    knob, title = type(method).size, type(method).__name__
    if not knob:
        raise TuningError(
            f"match_budget: {title} has no argument that sets its size; compare it at the size that it has"
        )

    def trained(value: int) -> float:
        return _percent(network, dataclasses.replace(method, **{knob: value}))

    smallest = next((value for value in (1, 2) if _allowed(method, knob, value)), 1)
    if (least := trained(smallest)) > percent:
        raise TuningError(
            f"match_budget: {title} trains {least:.4f} % with {knob}={smallest}, the least it can, and the budget is "
            f"{percent} %; allow more, or choose another method"
        )
    # Between `fits` and `exceeds`, double and then halve; a value that the network refuses exceeds as well.
    fits, exceeds = smallest, 2 * smallest
    while _fits(trained, exceeds, percent):
        fits, exceeds = exceeds, 2 * exceeds
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        fits, exceeds = (middle, exceeds) if _fits(trained, middle, percent) else (fits, middle)
    return dataclasses.replace(method, **{knob: fits})


def _allowed(method: Any, knob: str, value: int) -> bool:
    try:
        dataclasses.replace(method, **{knob: value})
    except TuningError:
        return False
    return True


def _fits(trained: Any, value: int, percent: float) -> bool:
    try:
        return bool(trained(value) <= percent)
    except TuningError:
        return False


def _percent(network: nn.Module, method: Method) -> float:
    restore = remember(network)
    # Neither the prompts that are drawn here nor their random numbers may leave a trace.
    with torch.random.fork_rng(devices=[]):
        try:
            return report(tune(network, method)).percent
        finally:
            untune(network)
            restore()
