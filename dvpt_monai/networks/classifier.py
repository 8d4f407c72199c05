"""A vision transformer that classifies: encoder, pooled feature, one linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import NetworkError
from dvpt_monai.networks.from_pretrained import FromPretrained
from dvpt_monai.networks.vit import ViTEncoder

__all__ = ["Standardize", "ViTClassifier"]

POOLINGS = ("cls", "mean", "cls+mean", "prompts")


class Standardize(nn.Module):
    """Each feature with mean 0 and variance 1 over all cases that were seen in training, the present ones among them.

    A batch norm would take those of the batch in training and others afterwards. Where images are much alike, the
    slightest drift of the features between the two is larger than what tells the images apart.

    Shape:
        (B, C) to the same.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("cases", torch.tensor(0))
        self.mean: Tensor
        self.variance: Tensor
        self.cases: Tensor

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.mean.dtype)
        if self.training:
            self.see(x.detach())
        return (x - self.mean) * (self.variance + 1e-5).rsqrt()

    def see(self, x: Tensor) -> None:
        """Add cases to mean and variance (Chan et al., 1979)."""
        # In place: MONAI's tensors with metadata must not take the places of these plain ones.
        self.cases.add_(x.shape[0])
        share = x.shape[0] / self.cases
        shift = x.mean(0) - self.mean
        self.mean.add_(share * shift)
        self.variance.add_(share * (x.var(0, unbiased=False) - self.variance + (1 - share) * shift**2))


class Head(nn.Linear):
    """One linear layer to the classes, with dropout before it, and before that, if asked for, standardized features.

    Shape:
        (B, C) to (B, num_classes).
    """

    def __init__(self, in_features: int, num_classes: int, dropout: float = 0.0, standardize: bool = False) -> None:
        super().__init__(in_features, num_classes)
        self.dropout = dropout
        self.standardize = Standardize(in_features) if standardize else None
        nn.init.trunc_normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.standardize is not None:
            x = self.standardize(x)
        return functional.linear(functional.dropout(x, self.dropout, self.training), self.weight, self.bias)


class ViTClassifier(FromPretrained):
    """A ViT encoder, a pooled feature, and one linear layer to the classes, in 2D or 3D.

    Args:
        num_classes: outputs.
        pooling: what of the normed tokens is read: ``"cls"``, ``"mean"`` of the patches, ``"cls+mean"`` side by
            side, or ``"prompts"``: the mean of CLS and whatever a tuner appended.
        head_dropout: dropout before the linear layer.
        standardize: whether each feature gets mean 0 and variance 1 over the training cases before the linear layer,
            much as in MAE's linear probe (He et al., arXiv 2111.06377, A.1). Where images are much alike, most of a
            frozen feature is the same for all of them, and the layer learns the rest slowly without.
        encoder: arguments of :class:`ViTEncoder`.

    Shape:
        (B, in_channels, *img_size) to logits (B, num_classes).

    Example:
        >>> import torch
        >>> net = ViTClassifier(num_classes=5, pooling="cls+mean", in_channels=3, img_size=32, hidden_size=24,
        ...                     mlp_dim=48, num_layers=2, num_heads=2)
        >>> net(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        num_classes: int,
        *,
        pooling: str = "cls",
        head_dropout: float = 0.0,
        standardize: bool = False,
        **encoder: Any,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise NetworkError(f"ViTClassifier: pooling must be one of {POOLINGS}, not {pooling!r}")
        if num_classes < 1:
            raise NetworkError(f"ViTClassifier: num_classes must be at least 1, not {num_classes}")
        self.vit = ViTEncoder(**encoder)
        if pooling != "mean" and self.vit.cls_token is None:
            raise NetworkError(f"ViTClassifier: pooling {pooling!r} reads CLS; choose 'mean' or cls_token=True")
        self.pooling = pooling
        width = self.vit.hidden_size * (2 if pooling == "cls+mean" else 1)
        self.head = Head(width, num_classes, head_dropout, standardize)
        self.fresh = ["head.*", *(f"vit.{pattern}" for pattern in self.vit.fresh)]
        """Patterns of the parts that no pre-trained file fills: the head, and a new norm or depth embedding."""

    @classmethod
    def fits(cls, own: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The mean of the patches where the file has no CLS."""
        arguments = super().fits(own, chosen)
        return arguments if arguments.get("cls_token", True) else {"pooling": "mean", **arguments}

    def features(self, x: Tensor) -> Tensor:
        """The pooled feature, (B, C) or (B, 2C)."""
        tokens, _ = self.vit(x)
        return self.pooled(tokens)

    def pooled(self, tokens: Tensor) -> Tensor:
        """The feature of the encoder's tokens."""
        if self.pooling == "cls":
            return tokens[:, 0]
        mean = self.vit.patches(tokens).mean(1)
        if self.pooling == "mean":
            return mean
        if self.pooling == "cls+mean":
            return torch.cat((tokens[:, 0], mean), dim=1)
        return torch.cat((tokens[:, :1], tokens[:, self.vit.end :]), dim=1).mean(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def seen(self, x: Tensor) -> dict[str, Tensor]:
        """What :meth:`states` and :meth:`rest` read of the images."""
        return {"images": x}

    def states(self, seen: dict[str, Tensor], read: list[bool]) -> dict[int, Tensor]:
        """The outputs of the encoder's first blocks, see :meth:`ViTEncoder.states`."""
        return self.vit.states(seen, read)

    def rest(self, states: dict[int, Tensor], seen: dict[str, Tensor]) -> Tensor:
        """The logits, from outputs of blocks that are known already, see :meth:`ViTEncoder.rest`."""
        tokens, _ = self.vit.rest(states, seen)
        return self.head(self.pooled(tokens))
