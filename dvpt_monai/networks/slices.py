"""A 2D vision transformer that classifies volumes: it reads every slice, and attention weighs what the slices gave.

With f_s the feature of slice s of n, divided among heads, and c_s = (2 s + 1) / n - 1 its place along its axis::

    score_s = q f_s / d + sum_k (a_k cos(pi k c_s) + b_k sin(pi k c_s)) / 9     0 <= k <= 4
    feature = sum_s softmax_s(score) f_s                                        by heads, whose channels are their own

q, a and b are learned, by head, a and b also by axis. All start at 0: attention begins as the mean of the slices. Sums
are divided by their number of terms, since Adam moves all of them at once: with q f_s / sqrt(d) and waves undivided,
attention on few cases can forget how many slices an organ has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dvpt_monai.errors import NetworkError
from dvpt_monai.networks.classifier import ViTClassifier

__all__ = ["SliceAttention", "SliceClassifier"]

HARMONICS = 4


class SliceAttention(nn.Module):
    """One learned query for each head attends to the features of a volume's slices.

    Args:
        features: C, a multiple of ``num_heads``.
        num_heads: heads.
        axes: how many axes slices come from, each with weights of its own for places along it.

    Shape:
        features (B, S, C) and :meth:`scores` (B, S, H) to (B, C).

    Example:
        >>> import torch
        >>> attention, features = SliceAttention(8, 2, 1), torch.rand(1, 3, 8)
        >>> scores = attention.scores(features, torch.tensor([[-0.5, 0.0, 0.5]]), 0)
        >>> torch.allclose(attention(features, scores), features.mean(1))
        True
    """

    def __init__(self, features: int, num_heads: int, axes: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = num_heads / features
        self.query = nn.Parameter(torch.zeros(num_heads, features // num_heads))
        self.places = nn.Parameter(torch.zeros(axes, 2 * HARMONICS + 1, num_heads))
        self.register_buffer("frequencies", pi * torch.arange(HARMONICS + 1), persistent=False)
        self.frequencies: Tensor

    def scores(self, features: Tensor, places: Tensor, axis: int) -> Tensor:
        """Before the softmax, from features (B, S, C) and the places (B, S) of slices across one of the axes."""
        angles = places.unsqueeze(-1) * self.frequencies
        waves = torch.cat((angles.cos(), angles[..., 1:].sin()), -1).to(features.dtype)
        by_head = features.unflatten(-1, (self.num_heads, -1))
        return (by_head * self.query).sum(-1) * self.scale + (waves @ self.places[axis]) / waves.shape[-1]

    def forward(self, features: Tensor, scores: Tensor) -> Tensor:
        by_head = features.unflatten(-1, (self.num_heads, -1))
        return (scores.softmax(1).unsqueeze(-1) * by_head).sum(1).flatten(1)


class SliceClassifier(ViTClassifier):
    """A 2D ViT over every slice of a volume, attention over the slices, and one linear layer to the classes.

    Volumes may have any number of slices. Those of a batch that have fewer are padded by slices of NaN, at either end,
    which get no weight and no place; NaN anywhere else gives NaN. Slices go through the encoder ``chunk`` at a time,
    and where more than one chunk trains, activations are computed again in the backward pass: memory is that of a
    chunk, whatever the volume. What the first blocks give can be cached (:mod:`dvpt_monai.features`), of each slice.

    Args:
        num_classes: outputs.
        axes: which slices are read: across axis 0, 1 or 2, or several of them, whose slices then have one size.
        step: reads one of so many slices, which of an isotropic volume tell nearly the same.
        chunk: slices that go through the encoder at a time.
        img_size: pixels of a slice, one number or two; or the three of a volume, of which the number of slices does
            not count.
        classifier: further arguments of :class:`~dvpt_monai.ViTClassifier`, in 2D; ``pooling`` is that of a slice.

    Shape:
        (B, in_channels, H, W, D) to logits (B, num_classes); across axis 2, H x W is the size of a slice, and D is any.

    Raises:
        NetworkError: axes, step, chunk or sizes out of range, or an encoder of volumes.
        ValueError: in ``forward``, slices of another size.

    Source:
        AnyMC3D (Liu et al., arXiv 2512.12887): a frozen 2D backbone with a tuner, and attention over its slices. The
        places along the axes and the form of the attention are ours; theirs does not see the order of the slices.

    Example:
        >>> import torch
        >>> net = SliceClassifier(num_classes=2, axes=(2,), in_channels=1, img_size=32, hidden_size=24, mlp_dim=48,
        ...                       num_layers=2, num_heads=2).eval()
        >>> volume = torch.rand(1, 1, 32, 32, 7)
        >>> net(volume).shape
        torch.Size([1, 2])
        >>> padded = torch.nn.functional.pad(volume, (0, 5), value=float("nan"))
        >>> torch.allclose(net(padded), net(volume), atol=1e-6)
        True
    """

    reads_slices = True
    """Whether its encoder sees other images than itself."""

    def __init__(
        self,
        num_classes: int,
        *,
        axes: Sequence[int] = (2,),
        step: int = 1,
        chunk: int = 64,
        img_size: int | Sequence[int],
        **classifier: Any,
    ) -> None:
        if not axes or len(set(axes)) < len(axes) or not set(axes) <= {0, 1, 2}:
            raise NetworkError(f"SliceClassifier: axes must be different ones of 0, 1 and 2, not {tuple(axes)}")
        if min(step, chunk) < 1:
            raise NetworkError(f"SliceClassifier: step and chunk must be at least 1, not {step} and {chunk}")
        if classifier.get("spatial_dims", 2) != 2:
            raise NetworkError("SliceClassifier: its encoder reads slices, so spatial_dims is 2; leave it out")
        super().__init__(num_classes, img_size=of_slices(img_size, axes), **classifier)
        self.slice_axes = list(axes)
        self.step = step
        self.chunk = chunk
        features = self.head.in_features
        self.attention = SliceAttention(features, self.vit.num_heads, len(self.slice_axes))
        self.fresh = ["attention.*", *self.fresh]

    @classmethod
    def dims_of(cls, chosen: Mapping[str, Any]) -> int:
        """2, those of a slice."""
        return 2

    def features(self, x: Tensor) -> Tensor:
        """The feature of a volume, (B, C) or (B, 2C)."""
        seen = self.seen(x)
        known: dict[int, Tensor] = {}
        return self.attended(self.encoded(known, seen), seen["present"])

    def seen(self, x: Tensor) -> dict[str, Tensor]:
        """The slices of all axes, axis after axis, (B, S, C_in, H, W), and which of them are no padding, (B, S)."""
        volume, present = self.without_padding(x)
        slices: list[Tensor] = []
        there: list[Tensor] = []
        for index, axis in enumerate(self.slice_axes):
            begin = min((self.step - 1) // 2, volume.shape[axis + 2] - 1)
            slices.append(volume.movedim(axis + 2, 1)[:, begin :: self.step])
            there.append(present[index][:, begin :: self.step])
        return {"images": torch.cat(slices, 1), "present": torch.cat(there, 1)}

    def states(self, seen: dict[str, Tensor], read: list[bool]) -> dict[int, Tensor]:
        """The outputs (B, S, N, C) of the encoder's first blocks, see :meth:`ViTEncoder.states`, chunk by chunk."""
        slices = seen["images"]
        chunks = slices.flatten(0, 1).split(self.chunk)
        parts = [self.vit.states({"images": chunk}, read) for chunk in chunks]
        shape = [slices.shape[0], slices.shape[1]]
        return {index: torch.cat([part[index] for part in parts]).unflatten(0, shape) for index, _ in parts[0].items()}

    def rest(self, states: dict[int, Tensor], seen: dict[str, Tensor]) -> Tensor:
        """The logits, from outputs of blocks that are known already, see :meth:`ViTEncoder.rest`."""
        return self.head(self.attended(self.encoded(states, seen), seen["present"]))

    def attended(self, each: Tensor, present: Tensor) -> Tensor:
        """The feature of volumes, from those of their slices, (B, S, C), and which of these are there, (B, S)."""
        axes = len(self.slice_axes)
        scores: list[Tensor] = []
        for index, (features, one) in enumerate(zip(each.chunk(axes, 1), (present > 0).chunk(axes, 1))):  # noqa: B905
            places = (2 * one.cumsum(1) - 1) / one.sum(1, keepdim=True) - 1
            score = self.attention.scores(features, places, index)
            scores.append(score.masked_fill(~one.unsqueeze(-1), float("-inf")))
        return self.attention(each, torch.cat(scores, 1))

    def without_padding(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The volumes with 0 in place of padding, and for each axis (B, S) which slices are there."""
        unknown = x.isnan()
        present: list[Tensor] = []
        for axis in self.slice_axes:
            absent = unknown.transpose(1, axis + 2).flatten(2).all(2)
            shape = [1] * x.dim()
            shape[0], shape[axis + 2] = absent.shape
            x = x.masked_fill(absent.view(shape), 0.0)
            present.append(~absent)
        return x, present

    def encoded(self, states: dict[int, Tensor], seen: dict[str, Tensor]) -> Tensor:
        """The features (B, S, C) of slices, chunk by chunk, from outputs of blocks or, where there are none, images."""
        shape = list(seen["present"].shape)
        chunks = (shape[0] * shape[1] + self.chunk - 1) // self.chunk
        # Split, not indexed: of MONAI's tensors with metadata an index would take a part of the metadata, too.
        flat = {index: tokens.flatten(0, 1).split(self.chunk) for index, tokens in states.items()}
        images = seen["images"].flatten(0, 1).split(self.chunk) if "images" in seen else []
        keeps_less = self.training and torch.is_grad_enabled() and chunks > 1
        features: list[Tensor] = []
        for number in range(chunks):
            known = {index: parts[number] for index, parts in flat.items()}
            chunk = images[number] if len(images) > 0 else None
            if keeps_less and not torch.jit.is_scripting():  # type: ignore[attr-defined]
                features.append(self.computed_again(known, chunk))
            else:
                features.append(self.of_chunk(known, chunk))
        return torch.cat(features).unflatten(0, shape)

    @torch.jit.unused
    def computed_again(self, states: dict[int, Tensor], images: Tensor | None) -> Tensor:
        """The same, keeping for the backward pass no more than the chunk itself."""
        return checkpoint(self.of_chunk, states, images, use_reentrant=False)

    def of_chunk(self, states: dict[int, Tensor], images: Tensor | None) -> Tensor:
        """The features of a chunk."""
        if images is not None and len(states) == 0:
            tokens, _ = self.vit(images)
        else:
            seen: dict[str, Tensor] = {}
            if images is not None:
                seen["images"] = images
            tokens, _ = self.vit.rest(states, seen)
        return self.pooled(tokens)


def of_slices(img_size: int | Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """The size of slices, from theirs or from that of a volume.

    Raises:
        NetworkError: slices across several axes have several sizes.

    Example:
        >>> of_slices(32, (2,)), of_slices((32, 48), (0,)), of_slices((32, 48, 9), (2,))
        ((32, 32), (32, 48), (32, 48))
    """
    size = tuple(img_size) if isinstance(img_size, Iterable) else (img_size, img_size)
    if len(size) == 2:
        return size
    sizes = {tuple(side for other, side in enumerate(size) if other != axis) for axis in axes}
    if len(size) != 3 or len(sizes) > 1:
        raise NetworkError(
            f"SliceClassifier: img_size {size} gives slices of the sizes {sorted(sizes)} across axes {tuple(axes)}; "
            "give a cube, or one axis"
        )
    return sizes.pop()
