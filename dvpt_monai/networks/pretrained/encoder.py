"""What the loader asks of a network: where its encoder lies, and whether a backbone has its architecture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Protocol, cast

from torch import Tensor, nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.backbone import Backbone

__all__ = ["Encoder", "advice", "check_architecture", "encoder_of"]

ARCHITECTURE = (
    "hidden_size",
    "mlp_dim",
    "num_layers",
    "num_heads",
    "cls_token",
    "num_registers",
    "qkv_bias",
    "activation",
    "pre_norm",
    "positions",
    "rotary",
    "attn_norm",
    "mlp_norm",
    "spatial_dims",
)


class Encoder(Protocol):
    """A vision transformer that can be filled; :class:`~dvpt_monai.ViTEncoder` is one."""

    in_channels: int
    patch_size: list[int]
    grid: list[int]
    num_layers: int
    num_heads: int
    activation: str
    rotary: dict[str, Any] | None
    fresh: list[str]
    position_resize: str
    blocks: nn.ModuleList
    depth_embedding: Tensor | None

    def state_dict(self) -> dict[str, Tensor]:
        """Its tensors by name."""


def encoder_of(network: nn.Module) -> tuple[Encoder, str]:
    """The encoder of a network, and what its names begin with there.

    Raises:
        PretrainedError: it has none, neither itself nor as ``vit``.
    """
    inside = getattr(network, "vit", None)
    encoder = network if inside is None else inside
    if not all(hasattr(encoder, name) for name in Encoder.__annotations__):
        raise PretrainedError(f"load_pretrained: {type(network).__name__} holds no ViTEncoder as .vit")
    return cast(Encoder, encoder), "" if inside is None else "vit."


def check_architecture(backbone: Backbone, encoder: Encoder) -> None:
    """Refuse an encoder that has another depth than a backbone, or other heads, activation or rotation than it has.

    Raises:
        PretrainedError: as above; the message names the arguments that would fit.
    """
    name, arguments = backbone.source, backbone.arguments()
    if encoder.num_layers != arguments["num_layers"]:
        raise PretrainedError(
            f"load_pretrained: {name} has {arguments['num_layers']} blocks, the encoder {encoder.num_layers}."
            f"{advice(arguments)}"
        )
    # MONAI's names are those of this package's own networks, whatever their heads and activation.
    known: dict[str, Any] = {}
    if not backbone.of_monai:
        known |= {"num_heads": backbone.heads, "activation": backbone.activation}
    if not backbone.of_monai or backbone.rotary:
        known["rotary"] = backbone.rotary
    for argument, value in known.items():
        own = getattr(encoder, argument)
        if value != own and (value is not None or argument == "rotary"):
            raise PretrainedError(
                f"load_pretrained: {name} was trained with {argument}={value!r}, the encoder has {own!r} and would "
                f"compute something else; build it with {argument}={value!r}"
            )
    if backbone.heads is None and encoder.num_heads != arguments.get("num_heads", encoder.num_heads):
        warnings.warn(
            f"load_pretrained: published networks of width {arguments['hidden_size']} have {arguments['num_heads']} "
            f"heads, the encoder {encoder.num_heads}; no file tells. A wrong number of heads gives wrong features",
            stacklevel=3,
        )


def advice(arguments: Mapping[str, Any]) -> str:
    """The arguments of an encoder that fit, for the end of a message."""
    return " Arguments that fit: " + ", ".join(
        f"{name}={arguments[name]}" for name in ARCHITECTURE if name in arguments
    )
