"""Fit what a vision transformer learned at one size to another: positions, patch kernels, channels, depth.

All arithmetic is in float64 and gives float64; the caller rounds once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dvpt_monai.errors import NetworkError

__all__ = [
    "INFLATIONS",
    "POSITION_RESIZES",
    "adapt_channels",
    "fold_normalization",
    "inflate_kernel",
    "resize_kernel",
    "resize_positions",
]

MODES = {1: "linear", 2: "bicubic", 3: "trilinear"}
INFLATIONS = ("average", "center")
POSITION_RESIZES = ("plain", "antialias", "offset")
OFFSET = 0.1
"""What DINO and DINOv2 add to the new size before they divide it by the old one."""


def resize_positions(positions: Tensor, old: Sequence[int], new: Sequence[int], how: str = "plain") -> Tensor:
    """Interpolate position embeddings from one token grid to another.

    Linear in 1D, bicubic in 2D, trilinear in 3D, corners not aligned. A 2D grid going to a 3D one is interpolated
    in the plane and repeated along the last axis: p(h, w, d) = p(h, w).

    Args:
        positions: the embeddings.
        old: their grid.
        new: the grid that they are wanted at.
        how: of a 2D grid alone: ``"plain"``; ``"antialias"``, with a kernel as wide as what is left out, as DINOv2
            with registers and timm do; or ``"offset"``, sampled as if the new grid were 0.1 larger, as DINOv2 without
            registers does.

    Shape:
        (1, prod(old), C) to (1, prod(new), C).

    Raises:
        NetworkError: the number of tokens is not that of the old grid, 3D is asked to become 2D, or there is no such
            way.

    Example:
        >>> import torch
        >>> resize_positions(torch.rand(1, 9, 4), (3, 3), (2, 2, 2)).shape
        torch.Size([1, 8, 4])
    """
    if positions.shape[1] != prod(old):
        raise NetworkError(f"resize_positions: {positions.shape[1]} positions are not a grid of {tuple(old)}")
    if len(new) < len(old):
        raise NetworkError(
            f"resize_positions: a {len(old)}D grid cannot become {len(new)}D; use spatial_dims={len(old)}"
        )
    if how not in POSITION_RESIZES or (how != "plain" and len(old) != 2):
        raise NetworkError(f"resize_positions: a {len(old)}D grid cannot be resized {how!r}; 'plain' always works")
    grid = positions.detach().to(torch.float64).transpose(1, 2).unflatten(2, tuple(old))
    plane = tuple(new[: len(old)])
    if plane != tuple(old):
        mode: dict[str, Any] = {"mode": MODES[len(old)], "align_corners": False}
        if how == "offset":
            scale = [(n + OFFSET) / o for n, o in zip(plane, old, strict=True)]
            grid = functional.interpolate(grid, scale_factor=scale, **mode)
        else:
            grid = functional.interpolate(grid, size=plane, antialias=how == "antialias", **mode)
    for extra in new[len(old) :]:
        grid = grid.unsqueeze(-1).expand(*grid.shape, extra)
    return grid.flatten(2).transpose(1, 2).contiguous()


def resize_kernel(kernel: Tensor, size: Sequence[int]) -> Tensor:
    """Resize a patch-embedding kernel so that resized patches give the same tokens as near as can be.

    With B the matrix that bicubically resizes a patch of the old size to the new one, the kernel w becomes
    ``pinv(B)^T w``, the least-squares solution of <B x, w'> = <x, w> (exact where B loses nothing, that is upwards).

    Shape:
        (C_out, C_in, *old) to (C_out, C_in, *size).

    Source:
        Beyer et al., FlexiViT, arXiv 2212.08013, Eq. 5.

    Example:
        >>> import torch
        >>> resize_kernel(torch.rand(8, 3, 14, 14), (16, 16)).shape
        torch.Size([8, 3, 16, 16])
    """
    kernel = kernel.detach().to(torch.float64)
    for axis, new in enumerate(size, start=2):
        old = kernel.shape[axis]
        if old == new:
            continue
        # B is separable, and so is its pseudo-inverse: one axis after the other.
        ones = torch.eye(old, dtype=torch.float64)[:, None, :, None]
        resize = functional.interpolate(ones, size=(new, 1), mode="bicubic", align_corners=False)[:, 0, :, 0].T
        inverse = torch.linalg.pinv(resize)  # (old, new)
        kernel = torch.tensordot(kernel, inverse, dims=([axis], [0])).movedim(-1, axis)
    return kernel


def inflate_kernel(kernel: Tensor, depth: int, inflation: str = "average") -> Tensor:
    """Turn a 2D patch kernel into a 3D one that gives the same token on a volume that is constant along z.

    Args:
        kernel: the 2D kernel.
        depth: slices of the 3D kernel.
        inflation: ``"average"`` repeats the kernel along z, divided by the depth, and so reads the mean of the slices
            (Carreira and Zisserman, arXiv 1705.07750); ``"center"`` puts it into slice ``depth // 2``, the others are
            zero, and so reads that slice alone.

    Shape:
        (C_out, C_in, H, W) to (C_out, C_in, H, W, depth).

    Raises:
        NetworkError: another inflation.

    Example:
        >>> import torch
        >>> inflate_kernel(torch.ones(1, 1, 1, 1), 4).flatten().tolist()
        [0.25, 0.25, 0.25, 0.25]
        >>> inflate_kernel(torch.ones(1, 1, 1, 1), 4, "center").flatten().tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    if inflation not in INFLATIONS:
        raise NetworkError(f"inflate_kernel: inflation must be one of {INFLATIONS}, not {inflation!r}")
    along = torch.full((depth,), 1 / depth, dtype=torch.float64)
    if inflation == "center":
        along = functional.one_hot(torch.tensor(depth // 2), depth).to(torch.float64)
    return kernel.detach().to(torch.float64).unsqueeze(-1) * along


def fold_normalization(
    kernel: Tensor, bias: Tensor, mean: Sequence[float], std: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Make a kernel for normalised channels read raw ones in [0, 1].

    W'_c = W_c / std_c and b' = b - sum_c (mean_c / std_c) sum(W_c); exact for every image, since patches have no
    padding.

    Shape:
        (C_out, C_in, *size) and (C_out,) to the same.
    """
    kernel, bias = kernel.detach().to(torch.float64), bias.detach().to(torch.float64)
    shape = (1, -1) + (1,) * (kernel.ndim - 2)
    scaled = kernel / torch.tensor(std, dtype=torch.float64).view(shape)
    offset = (scaled * torch.tensor(mean, dtype=torch.float64).view(shape)).flatten(1).sum(1)
    return scaled, bias - offset


def adapt_channels(kernel: Tensor, channels: int) -> Tensor:
    """Make a kernel for colours read another number of channels.

    Each colour takes the mean of the channels that share its place when both are counted in turn: with one channel all
    colours are grey, of two channels red and blue take the first and green the second, and of more than three the
    fourth joins red, the fifth green. So equal channels give the token of the grey image, as many channels as colours
    change nothing, and different channels stay different, where an equal share of grey for each would show a frozen
    kernel nothing but their mean.

    Shape:
        (C_out, colours, *size) to (C_out, channels, *size).

    Example:
        >>> import torch
        >>> kernel = torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1)
        >>> [adapt_channels(kernel, channels).flatten().tolist() for channels in (1, 2, 4)]
        [[111.0], [101.0, 10.0], [0.5, 10.0, 100.0, 0.5]]
    """
    colours = kernel.shape[1]
    places = torch.arange(channels)[:, None] - torch.arange(colours)
    shared = (places % min(channels, colours) == 0).to(torch.float64)  # (channels, colours)
    return torch.einsum("oc...,ic->oi...", kernel.detach().to(torch.float64), shared / shared.sum(0))
