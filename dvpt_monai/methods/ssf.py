"""SSF: Scaling and Shifting your Features. Lian et al., arXiv 2210.08823.

    y' = gamma * y + beta        after every operation: patch embedding, norms, and all linear layers of the blocks

Linear like the operations themselves, so that it folds into them after training (Eq. 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dvpt_monai.methods.sites import blocks_of, checked_layers
from dvpt_monai.tuning import Method, Tuner, attach
from dvpt_monai.tuning.tuned import unwrapped, walk

__all__ = ["SSF"]


class ScaleShift(Tuner):
    """gamma and beta of one operation; without a bias in the operation there is no beta, which could not merge.

    Args:
        channels: C of the operation's output.
        axes: spatial axes behind the channels: 0 for tokens, 2 or 3 for a convolution.
        shifts: whether there is a beta.

    Shape:
        y (..., C), or (B, C, *size) for a convolution.
    """

    def __init__(self, channels: int, axes: int, shifts: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels)) if shifts else None
        self.shape = [channels] + [1] * axes

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        y = y * self.scale.view(self.shape)
        shift = self.shift
        return y if shift is None else y + shift.view(self.shape)

    @torch.no_grad()
    def merge(self, base: nn.Module) -> nn.Module:
        """Scale the rows of the weight and the bias, and add the shift."""
        operation: Any = base
        operation.weight.copy_(operation.weight * self.scale.view(-1, *[1] * (operation.weight.ndim - 1)))
        if self.shift is not None:
            operation.bias.copy_(operation.bias * self.scale + self.shift)
        return base


@dataclass(frozen=True)
class SSF(Method):
    """Scaling and shifting features (arXiv 2210.08823) after every operation of the backbone.

    Starts as the identity (gamma at 1 and beta at 0, where the authors draw them closely around) and merges into plain
    weights.

    Args:
        layers: indices of the blocks to tune; ``None`` is every one, and the operations outside the blocks too: patch
            embedding and final norm.

    Raises:
        TuningError: layers out of range, or a network without transformer blocks.

    Source:
        Eq. 3 and 4 of the paper.

    Example:
        >>> import torch
        >>> from dvpt_monai import SSF, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), SSF())
        >>> report(net).method
        205824
    """

    paper: ClassVar[str] = "Lian et al., Scaling & Shifting Your Features, arXiv 2210.08823"
    merges: ClassVar[bool] = True

    layers: Sequence[int] | None = None

    def __post_init__(self) -> None:
        checked_layers(self)

    def attach(self, network: nn.Module) -> None:
        sites = blocks_of(network, self, self.layers)
        names = [f"{site.name}.{part}" for site in sites for part in operations(site.block)]
        if self.layers is None:
            names += outside(network, sites[0].name)
        for name in names:
            attach(network, name, make)


def operations(module: nn.Module) -> list[str]:
    """Names of the linear layers, norms and convolutions inside a module that are used in its forward pass."""
    kinds = (nn.Linear, nn.LayerNorm, nn.Conv2d, nn.Conv3d)
    return [
        name
        for name, holder, child in walk(module)
        if isinstance(unwrapped(getattr(holder, child)), kinds) and "cross_attn" not in name
    ]


def outside(network: nn.Module, block: str) -> list[str]:
    """Names of the operations of a backbone outside its blocks, but for those that start afresh (a new norm)."""
    stem = block.split("blocks")[0].split("layers")[0]  # "vit.", "swinViT." or nothing
    backbone: Any = network.get_submodule(stem.rstrip(".")) if stem else network
    fresh = getattr(backbone, "fresh", ())
    kinds = (nn.Linear, nn.LayerNorm, nn.Conv2d, nn.Conv3d)
    return [
        stem + name
        for name, holder, child in walk(backbone)
        if (name.startswith("patch_embed") or ".downsample." in name or name == "norm")
        and isinstance(unwrapped(getattr(holder, child)), kinds)
        and f"{name}.*" not in fresh
    ]


def make(name: str, module: nn.Module) -> Tuner:
    """The tuner of one operation."""
    operation: Any = unwrapped(module)
    return ScaleShift(operation.weight.shape[0], max(0, operation.weight.ndim - 2), operation.bias is not None)
