"""What of a tuned network trains: its record, its tensors, their number, their groups for an optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.originals import Originals
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = [
    "Report",
    "Tuning",
    "frozen_tensors",
    "in_tuner",
    "is_tuned",
    "matches",
    "recorded",
    "report",
    "trained_tensors",
    "tuning_of",
]


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What :func:`tune` did to a network; kept on it as ``network.tuning``.

    Args:
        method: the method.
        train: patterns of whole parts that train beside the tuners (head, decoder).
        chosen: patterns of the backbone's own parameters that the method trains.
        originals: those parameters, and the buffers beside them, as they were: for :func:`disabled` and :func:`untune`.
        descriptions: of frozen tensors, by their sha256: what :mod:`dvpt_monai.tuning.fingerprint` has computed.
    """

    method: Method
    train: tuple[str, ...]
    chosen: tuple[str, ...]
    originals: Originals = dataclasses.field(default_factory=lambda: Originals({}), compare=False, repr=False)
    descriptions: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def covers(self, name: str) -> bool:
        """Whether a module or tensor of this name trains by either list of patterns."""
        return matches(name, self.train) or matches(name, self.chosen)


def recorded(network: nn.Module) -> Tuning | None:
    """The record of a tuned network, nothing of others."""
    tuning = getattr(unwrap_model(network), "tuning", None)
    return tuning if isinstance(tuning, Tuning) else None


def is_tuned(network: nn.Module) -> bool:
    """Whether :func:`~dvpt_monai.tune` or :func:`~dvpt_monai.load_adapter` has attached a method.

    Example:
        >>> from torch import nn
        >>> from dvpt_monai import BitFit, is_tuned, tune
        >>> net = nn.Sequential(nn.Linear(2, 2))
        >>> is_tuned(net), is_tuned(tune(net, BitFit()))
        (False, True)
    """
    return recorded(network) is not None


def tuning_of(network: nn.Module, caller: str) -> Tuning:
    """The record of a tuned network; the error about others begins with the name of the caller."""
    tuning = recorded(network)
    if tuning is None:
        raise TuningError(f"{caller}: the network is not tuned; call tune(network, method) first")
    return tuning


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether any pattern matches and none that begins with ``!`` does."""
    if any(fnmatchcase(name, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def in_tuner(key: str) -> bool:
    """Whether a tensor of this name belongs to a tuner."""
    return ".tuner." in f".{key}"


def trained_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Everything that training can change, by its name in the state dict: parameters, and buffers beside them.

    Tensors that several blocks share come once. This is what an adapter holds; :func:`frozen_tensors` are the rest.
    """
    network = unwrap_model(network)
    tuning = tuning_of(network, "trained_tensors")
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        trained = in_tuner(key) or matches(key, tuning.train) or key in tuning.originals
        if trained and id(value) not in seen:
            seen.add(id(value))
            tensors[key] = value
    return tensors


def frozen_tensors(network: nn.Module) -> dict[str, Tensor]:
    """The backbone as no training changes it, by name."""
    network = unwrap_model(network)
    trained = {id(value) for value in trained_tensors(network).values()}
    state = network.state_dict(keep_vars=True)
    return {key: value for key, value in state.items() if id(value) not in trained}


@dataclasses.dataclass(frozen=True)
class Report:
    """How much of a tuned network trains, in numbers of parameters.

    Args:
        method: the method's own parameters: tuners, and what it trains of the backbone.
        fresh: parts that train beside it: head, decoder, new norms, depth embedding.
        backbone: the pre-trained network without the fresh parts, trained or not.
    """

    method: int
    fresh: int
    backbone: int

    @property
    def percent(self) -> float:
        """The method's parameters in percent of the backbone's; head and decoder apart, as both papers count."""
        return 100.0 * self.method / max(self.backbone, 1)

    @property
    def trainable(self) -> int:
        """Everything that trains."""
        return self.method + self.fresh

    def __str__(self) -> str:
        return "\n".join(
            (
                f"method            {self.method:>13,}   {self.percent:.3f} % of the backbone",
                f"head and decoder  {self.fresh:>13,}",
                f"backbone          {self.backbone:>13,}",
                f"adapter file      {4 * self.trainable / 1e6:>13.2f}   MB in float32",
            )
        )


def report(network: nn.Module) -> Report:
    """Count what trains in a tuned network.

    Raises:
        TuningError: the network is not tuned.

    Example:
        >>> from dvpt_monai import DVPT, ViTClassifier, report, tune
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48,
        ...                     num_layers=2, num_heads=2)
        >>> report(tune(net, DVPT(num_prompts=4, bottleneck=3))).method
        368
    """
    network = unwrap_model(network)
    tuning = tuning_of(network, "report")
    counts = {"method": 0, "fresh": 0, "backbone": 0}
    seen: set[int] = set()
    for key, value in network.state_dict(keep_vars=True).items():
        if not isinstance(value, nn.Parameter) or id(value) in seen:
            continue
        seen.add(id(value))
        if in_tuner(key):
            counts["method"] += value.numel()
        elif matches(key, tuning.train):
            counts["fresh"] += value.numel()
        else:
            counts["backbone"] += value.numel()
            counts["method"] += value.numel() if value.requires_grad else 0
    return Report(**counts)
