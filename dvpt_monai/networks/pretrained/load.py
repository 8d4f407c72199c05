"""Fill a network from a pre-trained file: read, adapt, fill, and tell in a receipt what was done; all or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained import swin
from dvpt_monai.networks.pretrained.adapt import Adapted, adapt
from dvpt_monai.networks.pretrained.backbone import Backbone
from dvpt_monai.networks.pretrained.encoder import check_architecture, encoder_of
from dvpt_monai.networks.pretrained.fill import Filled, fill
from dvpt_monai.networks.pretrained.normalizations import Normalization
from dvpt_monai.networks.pretrained.receipt import Receipt
from dvpt_monai.networks.pretrained.recognise import recognise
from dvpt_monai.networks.pretrained.source import Checkpoint, Source, read_source
from dvpt_monai.networks.resize import INFLATIONS
from dvpt_monai.tuning.tune import rebase

__all__ = ["load_pretrained"]


def load_pretrained(
    network: nn.Module,
    source: Source | Checkpoint,
    *,
    allow_missing: Sequence[str] = (),
    inflation: str = "average",
    normalization: tuple[Sequence[float], Sequence[float]] | None = None,
    position_resize: str | None = None,
) -> Receipt:
    """Fill the encoder of a network from pre-trained weights.

    Layouts (timm, MAE, DINO, DINOv2, MoCo v3, CLIP, Hugging Face, MONAI: see docs/pretrained.md) are recognised by the
    names of their tensors. What the network has at another size is adapted in float64: positions (bicubic,
    trilinear), patch kernels (pseudo-inverse), three colours to other channels (normalisation folded in), 2D to 3D
    (kernels repeated along z and divided).

    Args:
        network: a :class:`~dvpt_monai.ViTEncoder`, a network with one as ``vit``, or MONAI's ``SwinUNETR``.
        source: a file (.pt, .pth, .bin, .safetensors), a folder with one (a snapshot of Hugging Face, whose config
            names heads, eps and normalisation), a name of the catalog, or a state dict.
        allow_missing: shell patterns of the network's names that the source may leave out; they keep their values.
        inflation: from 2D to 3D, patch kernels read the ``"average"`` of the slices, or the one at the ``"center"``.
        normalization: mean and standard deviation of each channel, of values in [0, 1], that the backbone was trained
            with, where they are other than the catalog's, the config's or those that are usual in the file's layout.
        position_resize: how positions of a plane go to another grid: ``"plain"`` bicubic, ``"antialias"`` or
            ``"offset"`` (see :func:`~dvpt_monai.networks.resize.resize_positions`); by default as the backbone's
            authors do it. A receipt without an entry for it is of a release that knew ``"plain"`` alone.

    Returns:
        The receipt, which is also kept as ``network.receipt``.

    Raises:
        PretrainedError: the source cannot be read, its layout is unknown, or it does not fill everything of the
            encoder; the message names the constructor arguments that would fit. Or a pattern of ``allow_missing``
            matches nothing that is missing, or another option is unknown. The network is then unchanged.

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
        if inflation != "average" or normalization is not None or position_resize not in (None, "plain"):
            raise PretrainedError(
                "load_pretrained: SwinUNETR takes files of its own size, without other channels or 3D"
            )
        return swin.load(network, read_source(source), allow_missing)
    encoder, _ = encoder_of(network)

    checkpoint = read_source(source)
    backbone = recognise(checkpoint, len(encoder.grid)).assuming(normalization, position_resize)
    check_architecture(backbone, encoder)
    adapted = adapt(backbone, encoder, inflation)
    filled = fill(network, backbone, adapted, allow_missing)
    receipt = _receipt(checkpoint, backbone, adapted, filled, encoder.in_channels)

    encoder.position_resize = receipt.position_resize
    network.receipt = receipt  # type: ignore[assignment]
    rebase(network, receipt.loaded)
    return receipt


def _receipt(checkpoint: Checkpoint, backbone: Backbone, adapted: Adapted, filled: Filled, channels: int) -> Receipt:
    expected, values = _expected(backbone, channels)
    return Receipt(
        source=checkpoint.name,
        sha256=checkpoint.sha256,
        layout=backbone.layout,
        loaded=filled.loaded,
        folded=(*backbone.folded, *adapted.folded),
        resized=tuple(adapted.resized),
        inflated=tuple(adapted.inflated),
        ignored=(*backbone.ignored, *filled.unused),
        missing=filled.missing,
        input=values,
        converted=filled.converted,
        normalization=expected,
        position_resize=backbone.position_resize,
        origin=None if backbone.origin is None else dict(backbone.origin),
    )


def _expected(backbone: Backbone, channels: int) -> tuple[Normalization | None, str]:
    """The normalisation that a network of so many channels expects of an image, as numbers and in words."""
    normalization = backbone.normalization
    if normalization is None:
        return None, (
            f"{channels} channels, scaled as in the source's own training, which no file tells; find out what that "
            "was, and give normalization=(means, standard deviations) to have it here"
        )
    mean, std = normalization
    if channels == backbone.channels:
        return normalization, f"{channels} channels in [0, 1], minus {mean}, divided by {std}"
    folded = f"minus {mean}, divided by {std} is folded into the kernel"
    return ((0.0,) * channels, (1.0,) * channels), f"{channels} channel(s) in [0, 1]; {folded}"
