"""EVP: Explicit Visual Prompting. Liu et al., arXiv 2303.10883.

Every patch gets a prompt computed from what is explicit in the image, its embedding and its high frequencies (Eq. 3 to
6)::

    F = L_pe(E) + L_hfc(H)                          (B, n, c)      E: embedded patches, H: patches of the high-passed x
    P_i = MLP_up(GELU(MLP_tune_i(F)))               (B, n, d)      MLP_up is shared by all blocks
    x_i = L_i(x_i-1 + P_i)

The high-pass takes the lowest ``tau`` of all frequencies out of the image. It is linear and works on one axis after the
other, x - Q_h x Q_w^T with Q the projection of an axis on its low frequencies, and so needs no Fourier transform when
it runs. F is the same for all blocks: it travels behind the sequence, and no frozen block ever sees it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import Lengthened, at_least_one, blocks_of, sequence_of
from dvpt_monai.tuning import Method, Tuner, attach

__all__ = ["EVP"]


def low_pass(size: int, kept: float) -> Tensor:
    """The projection of a signal of ``size`` samples on its frequencies |k| <= K, (size, size).

    ``kept`` is the share 2K + 1 of ``size`` that is aimed at.
    """
    largest = max(0, round((kept * size - 1) / 2))
    distance = torch.arange(size, dtype=torch.float64, device="cpu")
    waves = 2 * math.pi / size * torch.arange(1, largest + 1, dtype=torch.float64, device="cpu")
    row = (1 + 2 * torch.cos(waves[:, None] * distance).sum(0)) / size
    return torch.stack([row.roll(shift) for shift in range(size)])


class Explicit(Tuner):
    """Computes F and sends it along behind the patches, padded to their width; sits on ``vit.patch_embedding``.

    Shape:
        image (B, C_in, *size) and tokens (B, n, d) to (B, 2 n, d).
    """

    low0: Tensor
    low1: Tensor
    low2: Tensor

    def __init__(self, encoder: Any, bottleneck: int, tau: float) -> None:
        super().__init__()
        channels, width, dims = encoder.in_channels, encoder.hidden_size, len(encoder.grid)
        self.tau = tau
        self.embedding = nn.Linear(width, bottleneck)
        conv: type[Any] = nn.Conv2d if dims == 2 else nn.Conv3d
        self.frequencies = conv(channels, bottleneck, tuple(encoder.patch_size), stride=tuple(encoder.patch_size))
        self.dims = dims
        self.size = list(encoder.img_size)
        self.measure(next(encoder.parameters()))

    def measure(self, like: Tensor) -> None:
        """Make the projection of each axis; not in the state dict, since they follow from the size."""
        for axis in range(3):
            low = low_pass(self.size[axis], self.tau ** (1 / self.dims)) if axis < self.dims else torch.zeros(0, 0)
            self.register_buffer(f"low{axis}", low.to(like.device, like.dtype), persistent=False)

    def lowest(self, x: Tensor) -> Tensor:
        """The lowest frequencies of x."""
        if self.dims == 2:
            return self.low0 @ x @ self.low1.transpose(0, 1)
        low = (self.low0 @ x.flatten(3)).reshape(x.shape)
        return self.low1 @ low @ self.low2.transpose(0, 1)

    def high_pass(self, x: Tensor) -> Tensor:
        """X without its lowest frequencies."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return x - self.lowest(x)  # TorchScript knows autocast for a device named beforehand alone
        else:
            # What is left is small beside x: rounded by autocast, 3 to 30 % of it is noise (1/f to 1/f^2 images).
            with torch.autocast(x.device.type, enabled=False):
                return x - self.lowest(x)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        high = self.frequencies(self.high_pass(x.to(self.low0.dtype))).flatten(2).transpose(1, 2)
        features = self.embedding(y) + high  # (B, n, c)
        return torch.cat((y, functional.pad(features, (0, y.shape[2] - features.shape[2])).to(y.dtype)), dim=1)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Cut the same share of frequencies from the new size."""
        self.size = [axis * after // before for axis, before, after in zip(self.size, old, new, strict=True)]
        self.measure(self.embedding.weight)


class Prompted(Tuner):
    """Adds P_i to the patches before a block, and hands F on behind it, except after the last one; sits on the block.

    Shape:
        (B, N + n, d) to the same, or to (B, N, d) after the last block; F is ``[start, start + n)``.
    """

    def __init__(self, bottleneck: int, up: nn.Linear, encoder: Any, start: int, last: bool) -> None:
        super().__init__()
        self.tune = nn.Linear(bottleneck, bottleneck)
        self.up = up
        self.first, self.start, self.end = int(encoder.first), start, start + prod(encoder.grid)
        self.last = last

    def before(self, x: Tensor) -> Tensor:
        features = x[:, self.start : self.end, : self.tune.in_features]
        prompts = self.up(functional.gelu(self.tune(features)))  # (B, n, d)
        return torch.cat((x[:, : self.first], x[:, self.first : self.start] + prompts, x[:, self.end :]), dim=1)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        if self.last:
            return y
        return torch.cat((y[:, : self.start], x[:, self.start : self.end], y[:, self.start :]), dim=1)

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Follow F to its new place behind the patches."""
        self.start = self.first + prod(new)
        self.end = self.start + prod(new)


@dataclass(frozen=True)
class EVP(Method):
    """Explicit Visual Prompting (arXiv 2303.10883): prompts from the patches' embeddings and high frequencies.

    ``MLP_up`` starts at 0 (ours), so that training begins at the frozen network. The embedded patches are read with
    their positions. It cannot be merged.

    Args:
        bottleneck: c, the width of F.
        tau: share of all frequencies that counts as low, and is taken out; the paper's 0.25.

    Raises:
        TuningError: an argument out of range, or a network without one sequence of tokens.

    Source:
        Section 3 of the paper; the width for a ViT is ours.

    Example:
        >>> import torch
        >>> from dvpt_monai import EVP, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), EVP())
        >>> report(net).method
        87232
    """

    paper: ClassVar[str] = "Liu et al., Explicit Visual Prompting for Low-Level Structures, arXiv 2303.10883"
    size: ClassVar[str] = "bottleneck"

    bottleneck: int = 32
    tau: float = 0.25

    def __post_init__(self) -> None:
        at_least_one(self, "bottleneck")
        if not (isinstance(self.tau, (int, float)) and 0 < self.tau < 1):
            raise TuningError(f"EVP: tau must be between 0 and 1, not {self.tau!r}")

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self, appends=True)
        blocks = blocks_of(network, self)
        if self.bottleneck > sequence.width:
            raise TuningError(
                f"EVP: bottleneck must be at most {sequence.width}, the tokens' width, not {self.bottleneck}"
            )
        up = nn.Linear(self.bottleneck, sequence.width)
        nn.init.zeros_(up.weight)
        nn.init.zeros_(up.bias)
        encoder, tokens = sequence.encoder, sequence.tokens
        explicit = Explicit(encoder, self.bottleneck, self.tau)
        attach(network, f"{sequence.prefix}patch_embedding", explicit, Lengthened)
        for index, site in enumerate(blocks):
            last = index == len(blocks) - 1
            attach(network, site.name, Prompted(self.bottleneck, up, encoder, tokens, last))
