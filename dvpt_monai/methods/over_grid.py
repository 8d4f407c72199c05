"""Convolutions of a sequence of tokens over the grid that its patches lie on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["convolved"]


def convolved(z: Tensor, weight: Tensor, bias: Tensor | None, first: int, end: int, grid: list[int]) -> Tensor:
    """A convolution of 3 x 3 (x 3) over the patches; every other token, without neighbours, is an image of one pixel.

    Args:
        z: the tokens.
        weight: (r, r, 3, 3) or (r, r, 3, 3, 3); of a convolution of each channel by itself (r, 1, ...).
        bias: (r,); an optional one in the eyes of TorchScript alone.
        first: index of the first patch.
        end: index behind the last.
        grid: patches along each axis.

    Shape:
        (B, N, r) to the same.

    Example:
        >>> import torch
        >>> z, weight = torch.ones(1, 5, 1), torch.ones(1, 1, 3, 3)  # CLS and 2 x 2 patches
        >>> convolved(z, weight, torch.zeros(1), 1, 5, [2, 2]).flatten().tolist()
        [1.0, 4.0, 4.0, 4.0, 4.0]
    """
    assert bias is not None
    groups = weight.shape[0] // weight.shape[1]
    # Zeros around the grid, put there by hand: with the convolution's own, the bfloat16 gradient of its weight
    # reads memory that nothing wrote where a 3D grid is 2 wide (torch 2.13, CPU).
    patches = functional.pad(z[:, first:end].transpose(1, 2).unflatten(2, grid), [1, 1] * len(grid))
    if len(grid) == 2:
        patches = functional.conv2d(patches, weight, bias, groups=groups)
    else:
        patches = functional.conv3d(patches, weight, bias, groups=groups)
    middle = weight.flatten(2)[:, :, weight[0, 0].numel() // 2]
    before, behind = z[:, :first], z[:, end:]
    if groups == 1:
        before, behind = functional.linear(before, middle, bias), functional.linear(behind, middle, bias)
    else:
        before, behind = before * middle[:, 0] + bias, behind * middle[:, 0] + bias
    return torch.cat((before, patches.flatten(2).transpose(1, 2), behind), dim=1)
