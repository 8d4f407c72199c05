"""VisualPrompt (VP): a learnable border of pixels. Bahng et al., arXiv 2203.17274.

x' = x + delta,    delta free on the outer p pixels of the image and 0 inside
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import at_least_one, sequence_of
from dvpt_monai.tuning import Method, Tuner, attach

__all__ = ["VisualPrompt"]


class Border(Tuner):
    """Adds a frame of pixels or voxels to the image; sits on ``vit.patch_embedding``.

    Shape:
        image (B, C, *size) to the same; prompts (C, number of pixels in the frame).
    """

    index: Tensor

    def __init__(self, channels: int, size: Sequence[int], pad: int | None) -> None:
        super().__init__()
        self.pad = pad
        self.size = list(size)
        index = frame(size, width(size, pad))
        self.prompts = nn.Parameter(torch.zeros(channels, index.numel()))
        # Not in the state dict: it follows from the size.
        self.register_buffer("index", index, persistent=False)

    def image(self) -> Tensor:
        """delta, (C, *size)."""
        flat = torch.zeros(self.prompts.shape[0], self.total(), dtype=self.prompts.dtype, device=self.prompts.device)
        return flat.index_copy(1, self.index, self.prompts).unflatten(1, self.size)

    def total(self) -> int:
        """Pixels of the whole image."""
        total = 1
        for axis in self.size:
            total *= axis
        return total

    def before(self, x: Tensor) -> Tensor:
        return x + self.image()

    def resize_grid(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Lay the frame around the new size, each pixel from the nearest of the old frame."""
        size = [axis * after // before for axis, before, after in zip(self.size, old, new, strict=True)]
        before, after = width(self.size, self.pad), width(size, self.pad)
        image = self.image().detach()
        for axis, (pixels, target) in enumerate(zip(self.size, size, strict=True), start=1):
            inside = nearest(pixels - 2 * before, target - 2 * after)
            edge = nearest(before, after)
            places = torch.cat((edge, before + inside, pixels - before + edge))
            image = image.index_select(axis, places.to(image.device))
        self.index = frame(size, after).to(image.device)
        self.size = size
        self.prompts.data = image.flatten(1)[:, self.index]


def width(size: Sequence[int], pad: int | None) -> int:
    """The width of the frame around an image.

    Raises:
        TuningError: it leaves no image.
    """
    pixels = pad or max(1, round(30 * min(size) / 224))
    if 2 * pixels >= min(size):
        raise TuningError(
            f"VisualPrompt: a border of {pixels} leaves nothing of an image of {tuple(size)}; "
            f"give pad={(min(size) - 1) // 2} or less"
        )
    return pixels


def nearest(old: int, new: int) -> Tensor:
    """For each of ``new`` pixels the nearest of ``old`` that cover the same length."""
    return (2 * torch.arange(new, device="cpu") + 1) * old // (2 * new)


def frame(size: Sequence[int], pad: int) -> Tensor:
    """Flat indices of the outer ``pad`` pixels of an image, in order."""
    inside = torch.zeros(*size, dtype=torch.bool, device="cpu")
    inside[tuple(slice(pad, axis - pad) for axis in size)] = True
    return (~inside.flatten()).nonzero().flatten()


@dataclass(frozen=True)
class VisualPrompt(Method):
    """Visual prompting (arXiv 2203.17274): a learnable border of pixels around what the backbone sees.

    The prompt starts at 0 (ours; the authors draw it from N(0, 1)), so that training begins at the frozen network. The
    decoder of a UNETR sees the image without it. It cannot be merged.

    Args:
        pad: width of the border in pixels or voxels; ``None`` is the paper's 30 at 224, in proportion.

    Raises:
        TuningError: an argument out of range, a border that leaves no image, or a network without a ViTEncoder.

    Example:
        >>> import torch
        >>> from dvpt_monai import ViTClassifier, VisualPrompt, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), VisualPrompt())
        >>> report(net).method
        69840
    """

    paper: ClassVar[str] = "Bahng et al., Exploring Visual Prompts for Adapting Large-Scale Models, arXiv 2203.17274"
    size: ClassVar[str] = "pad"

    pad: int | None = None

    def __post_init__(self) -> None:
        if self.pad is not None:
            at_least_one(self, "pad")

    def attach(self, network: nn.Module) -> None:
        sequence = sequence_of(network, self)
        encoder = sequence.encoder
        border = Border(encoder.in_channels, encoder.img_size, self.pad)
        attach(network, f"{sequence.prefix}patch_embedding", border)
