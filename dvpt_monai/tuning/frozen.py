"""A tuned network in two: what stands before the first tuner, a fixed function of the image, and the rest.

``from_activations(network, frozen_activations(network, images))`` is ``network(images)``, gradients included. What the
first gives for an image never changes, and so can be computed once, kept, and read ever after.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.mapped import mapped
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.trains import tuning_of
from dvpt_monai.tuning.tuned import Tuned
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = [
    "blocks_read",
    "depth_of",
    "from_activations",
    "frozen_activations",
    "frozen_cut",
    "images_read",
    "map_frozen",
]

BESIDE = ("origin", "beside", "readout", "norm")
"""Parts of an encoder that no block reads."""
BLOCK = "block_"
"""How the name of what a block gives begins."""


def frozen_cut(network: nn.Module) -> int:
    """How many of a tuned network's first blocks no training changes, nor anything that they read.

    Raises:
        TuningError: there is none, or the network is not tuned or has no sequence of blocks.

    Example:
        >>> from dvpt_monai import DVPT, ViTClassifier, tune
        >>> from dvpt_monai.tuning import frozen_cut
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48, num_layers=4,
        ...                     num_heads=2)
        >>> frozen_cut(tune(net, DVPT(layers=[2, 3])))
        2
    """
    method = tuning_of(network, "frozen_cut").method
    encoder = _encoder(network)
    cuts = {len(encoder.blocks): ""}
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            cuts.setdefault(_blocks_before(name, len(encoder.blocks)), name)
    cuts |= {index + 1: f"back.{index}" for index, back in enumerate(encoder.back) if isinstance(back, Tuned)}
    cut = min(cuts)
    if cut == 0:
        raise TuningError(
            f"frozen_cut: {cuts[0]} trains, so no block of the network stays as it is with {type(method).__name__}; "
            f"{_remedy(method, cuts[0])}"
        )
    return cut


def frozen_activations(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Everything that the blocks before the first tuner compute and the rest of the network reads.

    No gradient is kept. These blocks are in evaluation mode, as :func:`~dvpt_monai.tune` keeps whatever does not train.

    Args:
        network: tuned.
        images: as the network takes them.

    Shape:
        images (B, C_in, *img_size) to tokens (B, N, C) under ``"block_7"``: behind the last untouched block, and behind
        those before it that are tapped or that a side network reads. The images themselves come along under
        ``"images"`` where the rest reads them: the stem of a UNETR, a side network with patches of its own.
        Volumes that are read slice by slice give the tokens (B, S, N, C) of all slices, and a
        :class:`~dvpt_monai.SliceClassifier` also under ``"present"`` (B, S) which of them are no padding.

    Raises:
        TuningError: as :func:`frozen_cut`.

    Example:
        >>> import torch
        >>> from dvpt_monai import DVPT, ViTClassifier, tune
        >>> from dvpt_monai.tuning import from_activations, frozen_activations
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48, num_layers=4,
        ...                     num_heads=2)
        >>> net = tune(net, DVPT(layers=[2, 3]))
        >>> activations = frozen_activations(net, torch.rand(2, 3, 32, 32))
        >>> {name: tuple(value.shape) for name, value in activations.items()}
        {'block_1': (2, 5, 24)}
        >>> from_activations(net, activations).shape
        torch.Size([2, 5])
    """
    read, inner = blocks_read(network, frozen_cut(network)), unwrap_model(network)
    with torch.no_grad():
        seen = inner.seen(images)  # type: ignore[operator]
        states = inner.states(seen, read)  # type: ignore[operator]
    if not images_read(network):
        del seen["images"]
    return {f"{BLOCK}{index}": tokens for index, tokens in states.items()} | seen


def depth_of(network: nn.Module) -> int:
    """How many blocks a network has.

    Raises:
        TuningError: it has no sequence of blocks.
    """
    return len(_encoder(network).blocks)


def blocks_read(network: nn.Module, cut: int) -> list[bool]:
    """Which of the first ``cut`` blocks the rest of a tuned network reads: the last, and those with a tap or a side."""
    encoder = _encoder(network)
    beside = [tapped or isinstance(place, Tuned) for tapped, place in zip(encoder.tapped, encoder.beside, strict=True)]
    return [*beside[: cut - 1], True]


def images_read(network: nn.Module) -> bool:
    """Whether the rest of a tuned network reads the images themselves."""
    return getattr(unwrap_model(network), "reads_images", False) or isinstance(_encoder(network).origin, Tuned)


def from_activations(network: nn.Module, activations: dict[str, Tensor]) -> Any:
    """The output of a tuned network from what :func:`frozen_activations` gave, in training and evaluation alike."""
    states = {int(name.removeprefix(BLOCK)): value for name, value in activations.items() if name.startswith(BLOCK)}
    seen = {name: value for name, value in activations.items() if not name.startswith(BLOCK)}
    return unwrap_model(network).rest(states, seen)  # type: ignore[operator]


def map_frozen(network: nn.Module, folder: str | os.PathLike[str] | None = None) -> int:
    """Let go of the memory of weights that a training from activations never reads: those of the first, frozen blocks.

    They go to a temporary file without a name, from which the system reads them for whoever wants them: images still
    pass, and state dict, fingerprint and checkpoint are what they were. Weights on a GPU stay there.

    Args:
        network: tuned.
        folder: on whose disk the file is, by default that which ``TMPDIR`` names.

    Returns:
        Bytes that are no longer in memory.

    Raises:
        TuningError: as :func:`frozen_cut`.
        OSError: the file cannot be written; nothing has changed.

    Example:
        >>> from dvpt_monai import SideDVPT, ViTClassifier, tune
        >>> from dvpt_monai.tuning import map_frozen
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48, num_layers=4,
        ...                     num_heads=2)
        >>> map_frozen(tune(net, SideDVPT(layers=[2, 3])))
        77952
    """
    frozen = _encoder(network).blocks[: frozen_cut(network)]
    weights = {name: each for name, each in frozen.named_parameters() if each.device.type == "cpu"}
    for name, tensor in mapped(weights, folder).items():
        weights[name].data = tensor
    return sum(each.nbytes for each in weights.values())


def _encoder(network: nn.Module) -> Any:
    inner = unwrap_model(network)
    if not hasattr(inner, "rest"):
        raise TuningError(
            f"frozen_cut: {type(inner).__name__} has no sequence of blocks that could be cut; use a ViT or UNETR of "
            "this package"
        )
    return getattr(inner, "vit", inner)


def _blocks_before(name: str, depth: int) -> int:
    """How many blocks stand before a parameter of the encoder; what is in ``back`` stands behind its block."""
    part, _, rest = name.partition(".")
    if part in ("blocks", "back"):
        return int(rest.partition(".")[0]) + (part == "back")
    return depth if part in BESIDE else 0


def _remedy(method: Method, name: str) -> str:
    if name.endswith("depth_embedding"):
        return "leave it as it is: train=[..., '!*depth_embedding']"
    fields = {field.name for field in dataclasses.fields(method)}
    if "layers" in fields and name.startswith("blocks."):
        return "tune later blocks alone, for example layers=range(8, 12)"
    return "choose a method with layers=, such as DVPT(layers=range(8, 12)), or a side network"
