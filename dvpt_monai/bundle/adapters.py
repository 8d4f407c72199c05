"""Several adapters of one backbone in the place of one: ``--adapters A,B,C``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dvpt_monai.errors import BundleError
from dvpt_monai.networks.pretrained import load_backbone_of
from dvpt_monai.tuning import Ensemble, read_header

__all__ = ["WithSpread", "trained_files", "with_adapters"]

logger = logging.getLogger(__name__)
Files = str | Sequence[str | os.PathLike[str]]


def trained_files(checkpoint: str, adapter: str | None = None, adapters: Files | None = None) -> list[str]:
    """The files that a prediction rests on: several adapters, or one, or else the checkpoint.

    Args:
        checkpoint: the whole network.
        adapter: what was trained alone; it goes before the checkpoint.
        adapters: several of these, as a list or with commas between them.

    Raises:
        BundleError: both ``adapter`` and ``adapters``, or no file in ``adapters``.
        AdapterError: one of ``adapters`` is missing or damaged.

    Example:
        >>> trained_files("models/model.pt"), trained_files("models/model.pt", "one.safetensors")
        (['models/model.pt'], ['one.safetensors'])
    """
    if adapters is None:
        return [adapter or checkpoint]
    if adapter:
        raise BundleError(f"--adapter {adapter} and --adapters: give all of them with --adapters")
    files = [os.fspath(each) for each in (adapters.split(",") if isinstance(adapters, str) else adapters)]
    if not all(files) or not files:
        raise BundleError(
            f"--adapters {adapters}: give files with commas between them, such as one.safetensors,two.safetensors"
        )
    _check_alike(files)
    return files


def with_adapters(
    network: nn.Module,
    adapters: Sequence[str] | None,
    backbone_weights: str,
    activation: str = "softmax",
    spread: bool = False,
) -> nn.Module:
    """A network that answers with the mean of what several adapters say; without adapters the network itself.

    What no adapter changes runs once for all of them, see :class:`~dvpt_monai.Ensemble`.

    Args:
        network: of the architecture that the adapters were trained with, tuned or not.
        adapters: as :func:`trained_files` gives them.
        backbone_weights: path or catalog name of their backbone.
        activation: what makes probabilities of the network's answer, of which the mean is taken.
        spread: also give the standard deviation of each probability, for ``SplitSpreadd``.

    Raises:
        PretrainedError: the backbone cannot be read or does not fit.
        AdapterError: an adapter does not fit the network or the backbone.
    """
    if not adapters:
        return network
    load_backbone_of(adapters[0], network, backbone_weights)
    ensemble = Ensemble(network, adapters, activation, sharing=False)
    shared = (
        f"run {len(ensemble.read)} blocks once for all"
        if ensemble.shares
        else "change the first block, so each runs all"
    )
    logger.info("Loaded %d adapters on the backbone %s; they %s", len(adapters), backbone_weights, shared)
    return WithSpread(ensemble) if spread else ensemble


class WithSpread(nn.Module):
    """Mean and spread of an ensemble in one answer.

    Args:
        ensemble: of adapters.

    Shape:
        images to (B, 2, C, ...): the mean, then the spread.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack(self.ensemble.mean_and_spread(x), 1)


def _check_alike(files: Sequence[str]) -> None:
    """One network and one image for all: so what the trainings say of these has to be the same."""
    first, *others = ({"method": header["method"], **header["settings"]} for header in map(read_header, files))
    for path, other in zip(files[1:], others, strict=True):
        for name in first.keys() | other.keys():
            if first.get(name) != other.get(name):
                raise BundleError(
                    f"--adapters: {path} was trained with {name} {json.dumps(other.get(name))}, {files[0]} with "
                    f"{json.dumps(first.get(name))}; give adapters that differ in seed, fold or data alone"
                )
