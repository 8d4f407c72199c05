"""Where methods sit: the transformer blocks of a network, and the token sequence of a ViT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from torch import nn

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning import Method, Tuned
from dvpt_monai.tuning.tuned import unwrapped, walk

__all__ = ["Lengthened", "Sequenced", "Site", "at_least_one", "blocks_of", "checked_layers", "positive", "sequence_of"]

PARTS = ("norm1", "attn", "norm2", "mlp")


@dataclass(frozen=True)
class Site:
    """A transformer block of a network.

    Args:
        name: of the block, as the state dict has it.
        block: the block itself, without wrappers.
        width: of its tokens.
    """

    name: str
    block: nn.Module
    width: int

    def part(self, *names: str, of: str = "") -> str:
        """The name of the first of these parts that the block (or its part ``of``) has; MONAI's names differ."""
        holder: Any = unwrapped(getattr(self.block, of)) if of else self.block
        part = next((name for name in names if isinstance(getattr(holder, name, None), nn.Module)), None)
        if part is None:
            raise TuningError(
                f"{self.name}{f'.{of}' if of else ''} has no {' or '.join(names)}; use a network of this package"
            )
        return ".".join(name for name in (self.name, of, part) if name)


def blocks_of(network: nn.Module, method: Method, layers: Sequence[int] | None = None) -> list[Site]:
    """The pre-norm transformer blocks of any network, in order; the ones of ``layers`` alone if it is given.

    Raises:
        TuningError: there are none, or ``layers`` is out of range.
    """
    sites = []
    for name, holder, child in walk(network):
        block = unwrapped(getattr(holder, child))
        if all(isinstance(getattr(block, part, None), nn.Module) for part in PARTS):
            norm = unwrapped(block.norm2)  # type: ignore[arg-type]
            if isinstance(norm, nn.LayerNorm):
                sites.append(Site(name, block, norm.weight.numel()))
    title = type(method).__name__
    if not sites:
        raise TuningError(
            f"{title}: {type(network).__name__} has no transformer block (attn and mlp behind norm1 and norm2) to "
            "tune; give a ViT, UNETR or SwinUNETR, or a method without blocks such as BitFit"
        )
    outside = [index for index in layers or () if not 0 <= index < len(sites)]
    if outside:
        raise TuningError(f"{title}: layers {outside} are out of range; the network has blocks 0 to {len(sites) - 1}")
    return sites if layers is None else [sites[index] for index in layers]


@dataclass(frozen=True)
class Sequenced:
    """A :class:`~dvpt_monai.ViTEncoder` in a network.

    Args:
        prefix: of its parts in the network's state dict, ``"vit."`` or empty.
        encoder: the encoder.
    """

    prefix: str
    encoder: Any

    @property
    def width(self) -> int:
        """Of a token."""
        return int(self.encoder.hidden_size)

    @property
    def tokens(self) -> int:
        """CLS, registers and patches: what the sequence holds without tuners, and where they append."""
        return int(self.encoder.end)


class Lengthened(Tuned):
    """The wrapper of methods that add tokens to the sequence for good: its output is longer than the base's."""


def sequence_of(network: nn.Module, method: Method, appends: bool = False) -> Sequenced:
    """The token sequence of a network: its ViTEncoder.

    Args:
        network: any.
        method: for whom, which the errors name.
        appends: whether the method adds tokens that stay in the sequence; one method of a Stack may.

    Raises:
        TuningError: the network has no global sequence of tokens, or another method lengthens it already.
    """
    encoder: Any = getattr(network, "vit", network)
    title = type(method).__name__
    if not (hasattr(encoder, "embed") and hasattr(encoder, "grid")):
        raise TuningError(
            f"{title} needs one sequence of all tokens, as a ViTEncoder has it, and {type(network).__name__} has none; "
            "use a ViT or UNETR of this package, or a method that works in any block: LoRA, DoRA, SSF, Adapter, DVPT()"
        )
    if appends and any(isinstance(module, Lengthened) for module in encoder.modules()):
        raise TuningError(f"{title}: another method of the Stack lengthens the token sequence already; choose one")
    return Sequenced("" if encoder is network else "vit.", encoder)


def at_least_one(method: Method, *names: str) -> None:
    """Check that arguments of a method are whole numbers of at least 1.

    Raises:
        TuningError: one is not.
    """
    for name in names:
        value = getattr(method, name)
        if not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            raise TuningError(f"{type(method).__name__}: {name} must be a whole number of at least 1, not {value!r}")


def positive(method: Method, *names: str) -> None:
    """Check that arguments of a method are finite numbers above 0.

    Raises:
        TuningError: one is not.
    """
    for name in names:
        value = getattr(method, name)
        if not (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < inf):
            raise TuningError(f"{type(method).__name__}: {name} must be a positive number, not {value!r}")


def checked_layers(method: Any) -> None:
    """Check the ``layers`` of a method, and keep them as a tuple.

    Raises:
        TuningError: they are not different block numbers.
    """
    if method.layers is None:
        return
    layers = tuple(method.layers) if isinstance(method.layers, Sequence) else ()
    numbers = all(isinstance(index, int) and not isinstance(index, bool) for index in layers)
    if not layers or not numbers or len(set(layers)) < len(layers):
        raise TuningError(
            f"{type(method).__name__}: layers must be different block numbers, such as [0, 1], not {method.layers!r}"
        )
    object.__setattr__(method, "layers", layers)
