"""Fill an encoder from a pre-trained file, adapted to its sizes, with a receipt; all or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained import swin
from dvpt_monai.networks.pretrained.backbone import Backbone
from dvpt_monai.networks.pretrained.complete import complete
from dvpt_monai.networks.pretrained.receipt import Receipt, conversions
from dvpt_monai.networks.pretrained.recognise import recognise
from dvpt_monai.networks.pretrained.source import Checkpoint, Source, read_source
from dvpt_monai.networks.resize import (
    INFLATIONS,
    adapt_channels,
    fold_normalization,
    inflate_kernel,
    resize_kernel,
    resize_positions,
)
from dvpt_monai.networks.vit import ViTEncoder
from dvpt_monai.tuning.trains import in_tuner
from dvpt_monai.tuning.tune import rebase

__all__ = ["build_pretrained", "load_pretrained"]

KERNEL = "patch_embedding.patch_embeddings.weight"
BIAS = "patch_embedding.patch_embeddings.bias"
POSITIONS = "patch_embedding.position_embeddings"
DEPTH = "depth_embedding"

Network = TypeVar("Network", bound=nn.Module)
Normalization = tuple[Sequence[float], Sequence[float]]
TOLD = {
    "img_size": "positions that are no square or cube",
    "num_heads": "a width that no published network has",
    "activation": "a layout with GELU in some networks and QuickGELU (OpenAI's CLIP) in others",
}
"""Arguments that some files do not tell, and what these files have."""


def load_pretrained(
    network: nn.Module,
    source: Source | Checkpoint,
    *,
    allow_missing: Sequence[str] = (),
    inflation: str = "average",
    normalization: Normalization | None = None,
) -> Receipt:
    """Fill the encoder of a network from pre-trained weights.

    Layouts (timm, MAE, DINO, DINOv2, MoCo v3, CLIP, Hugging Face, MONAI: see docs/pretrained.md) are recognised by the
    names of their tensors. What the network has at another size is adapted in float64: positions (bicubic,
    trilinear), patch kernels (pseudo-inverse), three colours to other channels (normalisation folded in), 2D to 3D
    (kernels repeated along z and divided).

    Args:
        network: a :class:`~dvpt_monai.ViTEncoder`, a network with one as ``vit``, or MONAI's ``SwinUNETR``.
        source: a file (.pt, .pth, .bin, .safetensors), a folder with one (a snapshot of Hugging Face, whose config
            tells heads, eps and normalisation), a name of the catalog, or a state dict.
        allow_missing: shell patterns of the network's names that the source may leave out; they keep their values.
        inflation: from 2D to 3D, patch kernels read the ``"average"`` of the slices, or the one at the ``"center"``.
        normalization: mean and standard deviation of each channel, of values in [0, 1], that the backbone was trained
            with, where they are other than the catalog's, the config's or those that are usual in the file's layout.

    Returns:
        The receipt, which is also kept as ``network.receipt``.

    Raises:
        PretrainedError: the source cannot be read, its layout is unknown, or it does not fill everything of the
            encoder; the message names the constructor arguments that would fit. Or a pattern of ``allow_missing``
            matches nothing that is missing, or the inflation is unknown. The network is then unchanged.

    Example:
        >>> from dvpt_monai import ViTEncoder, load_pretrained
        >>> sizes = dict(patch_size=8, hidden_size=24, mlp_dim=48, num_layers=2, num_heads=2)
        >>> flat = ViTEncoder(in_channels=3, img_size=32, **sizes)
        >>> deep = ViTEncoder(in_channels=3, img_size=16, spatial_dims=3, depth_embedding=True, **sizes)
        >>> load_pretrained(deep, flat.state_dict()).inflated
        ('patch kernel 8x8 -> 8x8x8', 'positions 4x4 -> 2x2x2')
    """
    if inflation not in INFLATIONS:
        raise PretrainedError(f"load_pretrained: inflation must be one of {INFLATIONS}, not {inflation!r}")
    if hasattr(network, "swinViT"):
        if inflation != "average" or normalization is not None:
            raise PretrainedError(
                "load_pretrained: SwinUNETR takes files of its own size, without other channels or 3D"
            )
        return swin.load(network, read_source(source), allow_missing)
    backbone, name, sha256 = _open(source)
    if normalization is not None:
        mean, std = (tuple(float(value) for value in values) for values in normalization)
        if not len(mean) == len(std) == backbone.kernel.shape[1]:
            raise PretrainedError(
                f"load_pretrained: normalization {normalization} is not a mean and a standard deviation for each of "
                f"the {backbone.kernel.shape[1]} channels of {name}"
            )
        backbone = replace(backbone, normalization=(mean, std))
    encoder = network if isinstance(network, ViTEncoder) else getattr(network, "vit", None)
    if not isinstance(encoder, ViTEncoder):
        raise PretrainedError(f"load_pretrained: {type(network).__name__} holds no ViTEncoder as .vit")
    fits = backbone.arguments()
    if encoder.num_layers != fits["num_layers"]:
        raise PretrainedError(
            f"load_pretrained: {name} has {fits['num_layers']} blocks, the encoder {encoder.num_layers}.{_advice(fits)}"
        )
    _check_told(backbone, encoder, name)
    if backbone.heads is None and encoder.num_heads != fits.get("num_heads", encoder.num_heads):
        warnings.warn(
            f"load_pretrained: published networks of width {encoder.hidden_size} have {fits['num_heads']} heads, the "
            f"encoder {encoder.num_heads}; no file tells. A wrong number of heads gives wrong features",
            stacklevel=2,
        )
    adapted, resized, inflated, folded = _adapt(backbone, encoder, name, inflation)
    state = encoder.state_dict()
    depth = len(encoder.blocks)
    unplaced = [key for key in adapted if key not in state and not _beyond(key, depth)]
    # What training starts afresh is not the file's to fill: the norm behind a tap, the depth embedding.
    fresh = {key for key in state if key.startswith("norm.") and encoder.tap is not None} | {DEPTH}
    wanted = [key for key in state if not in_tuner(key) and (key not in fresh or (key == DEPTH and key in adapted))]
    prefix = "" if network is encoder else "vit."
    missing = complete(name, adapted, state, wanted, unplaced, allow_missing, _advice(fits), prefix)
    whole = network.state_dict()
    filled = [key for key in wanted if key in adapted]
    outside = {key: value for key, value in backbone.rest.items() if key in whole and value.shape == whole[key].shape}
    with torch.no_grad():
        for key in filled:
            state[key].copy_(adapted[key])
        for key, value in outside.items():
            whole[key].copy_(value)
    unused = [key for key in adapted if key not in wanted] + [key for key in backbone.rest if key not in outside]
    expected = backbone.normalization
    if expected is None:
        expects = f"{encoder.in_channels} channels, scaled as in the source's own training"
    elif encoder.in_channels == fits["in_channels"]:
        expects = f"{encoder.in_channels} channels in [0, 1], minus {expected[0]}, divided by {expected[1]}"
    else:
        expects = (
            f"{encoder.in_channels} channel(s) in [0, 1]; minus {expected[0]}, divided by {expected[1]} is folded into "
            "the kernel"
        )
        expected = (0.0,) * encoder.in_channels, (1.0,) * encoder.in_channels
    receipt = Receipt(
        source=name,
        sha256=sha256,
        layout=backbone.layout,
        loaded=tuple(prefix + key for key in filled) + tuple(outside),
        folded=backbone.folded + tuple(folded),
        resized=tuple(resized),
        inflated=tuple(inflated),
        ignored=backbone.ignored + tuple(unused),
        missing=missing,
        input=expects,
        converted=conversions((backbone.dtypes[key], state[key].dtype) for key in filled if key in backbone.dtypes),
        normalization=expected,
        origin=None if backbone.origin is None else dict(backbone.origin),
    )
    network.receipt = receipt  # type: ignore[assignment]
    rebase(network, receipt.loaded)
    return receipt


def build_pretrained(cls: type[Network], source: Source, arguments: dict[str, Any], **options: Any) -> Network:
    """Construct ``cls`` with the sizes of a pre-trained file, where ``arguments`` does not set them, and fill it.

    Args:
        cls: a network that takes the arguments of :class:`~dvpt_monai.ViTEncoder`.
        source: as in :func:`load_pretrained`.
        arguments: of the constructor.
        options: keyword arguments of :func:`load_pretrained`.

    Raises:
        PretrainedError: as :func:`load_pretrained`; or no source was given.
    """
    if source is None:
        raise PretrainedError(
            f"{cls.__name__}.from_pretrained: no source; call {cls.__name__}(...) itself for random weights"
        )
    checkpoint = read_source(source)  # once, however large
    backbone, name, _ = _open(checkpoint)
    fits = backbone.arguments()
    if "spatial_dims" not in arguments and cls.__name__.endswith("UNETR"):
        fits.pop("spatial_dims")
    dims = arguments.get("spatial_dims", fits.get("spatial_dims", 3))
    if backbone.kernel.ndim - 2 != dims:
        fits.pop("img_size", None)
        fits["depth_embedding"] = dims == 3
        fits["patch_size"] = backbone.kernel.shape[-1]
    if cls.__name__.endswith("UNETR") and fits["patch_size"] not in (8, 16):
        fits["patch_size"] = 16
    arguments = {**fits, **arguments}
    untold = [argument for argument in TOLD if argument not in arguments]
    if untold:
        raise PretrainedError(
            f"{cls.__name__}.from_pretrained: give {untold[0]}=, which {name} does not tell; it has {TOLD[untold[0]]}"
        )
    network = cls(**arguments)
    load_pretrained(network, checkpoint, **options)
    return network


def _adapt(
    backbone: Backbone, encoder: ViTEncoder, name: str, inflation: str
) -> tuple[dict[str, Tensor], list[str], list[str], list[str]]:
    """The backbone's tensors at the encoder's sizes, in float64 where anything was computed."""
    tensors = dict(backbone.tensors)
    resized, inflated, folded = [], [], []
    if BIAS not in tensors:
        raise PretrainedError(f"load_pretrained: {name} lacks the bias of the patch embedding; it is incomplete")
    kernel, bias = tensors[KERNEL], tensors[BIAS]
    have, want = tuple(kernel.shape[2:]), tuple(encoder.patch_size)
    if len(have) > len(want):
        raise PretrainedError(f"load_pretrained: {name} is {len(have)}D; build the network with spatial_dims=3")
    if kernel.shape[1] != encoder.in_channels:
        if kernel.shape[1] != 3 or backbone.normalization is None:
            raise PretrainedError(
                f"load_pretrained: {name} reads {kernel.shape[1]} channels, the encoder {encoder.in_channels}; only "
                f"colours of a known normalisation can be folded. Build the network with in_channels={kernel.shape[1]}"
            )
        kernel, bias = fold_normalization(kernel, bias, *backbone.normalization)
        kernel = adapt_channels(kernel, encoder.in_channels)
        folded.append(
            "3 colours and their normalisation into the patch kernel"
            + f" of {encoder.in_channels} channels" * (encoder.in_channels > 1)
        )
    plane = want[: len(have)]
    if plane != have:
        kernel = resize_kernel(kernel, plane)
        resized.append(f"patch kernel {_by(have)} -> {_by(plane)}")
    if len(have) < len(want):
        kernel = inflate_kernel(kernel, want[-1], inflation)
        inflated.append(f"patch kernel {_by(plane)} -> {_by(want)}" + ", its centre slice" * (inflation == "center"))
    tensors[KERNEL], tensors[BIAS] = kernel, bias

    new, count = tuple(encoder.grid), tensors[POSITIONS].shape[1]
    old = backbone.grid
    guessed = old is None or (backbone.layout.startswith("monai") and not backbone.certain)
    if guessed and len(have) == len(want) and count == prod(new):
        old = new  # MONAI's files do not tell their grid: as many positions as the encoder's are the encoder's
    if old is None:
        raise PretrainedError(
            f"load_pretrained: {name} has {count} positions, of a grid that is neither equal-sided nor the encoder's "
            f"{_by(new)}; build the network with the img_size of its training, then call resize"
        )
    if old != new:
        tensors[POSITIONS] = resize_positions(tensors[POSITIONS], old, new)
        (inflated if len(old) < len(new) else resized).append(f"positions {_by(old)} -> {_by(new)}")
    if encoder.depth_embedding is not None and DEPTH in tensors and len(tensors[DEPTH]) != new[-1]:
        resized.append(f"depth embedding {len(tensors[DEPTH])} -> {new[-1]}")
        tensors[DEPTH] = resize_positions(tensors[DEPTH][None], tensors[DEPTH].shape[:1], new[-1:])[0]
    return tensors, resized, inflated, folded


def _check_told(backbone: Backbone, encoder: ViTEncoder, name: str) -> None:
    """Refuse an encoder that has another number of heads or activation than the source's config or layout tells."""
    if backbone.layout.startswith("monai"):
        return  # names that this package's own networks share, whatever their activation
    for argument, told, own in (
        ("num_heads", backbone.heads, encoder.num_heads),
        ("activation", backbone.activation, encoder.activation),
    ):
        if told is not None and told != own:
            raise PretrainedError(
                f"load_pretrained: {name} was trained with {argument}={told!r}, the encoder has {own!r} and would "
                f"compute something else; build it with {argument}={told!r}"
            )


def _beyond(key: str, depth: int) -> bool:
    return key.startswith("blocks.") and int(key.split(".")[1]) >= depth


def _open(source: Source | Checkpoint) -> tuple[Backbone, str, str | None]:
    checkpoint = read_source(source)
    name = "the state dict" if checkpoint.sha256 is None else checkpoint.name
    return recognise(checkpoint.content, name, checkpoint.config), checkpoint.name, checkpoint.sha256


def _advice(fits: dict[str, Any]) -> str:
    names = (
        "hidden_size",
        "mlp_dim",
        "num_layers",
        "num_heads",
        "cls_token",
        "num_registers",
        "qkv_bias",
        "activation",
        "pre_norm",
        "spatial_dims",
    )
    return " Arguments that fit: " + ", ".join(f"{name}={fits[name]}" for name in names if name in fits)


def _by(size: tuple[int, ...]) -> str:
    return "x".join(str(s) for s in size)
