"""What a pre-trained tensor means is kept when it changes its size."""

from itertools import product

import pytest
import torch
from torch.nn import functional

from dvpt_monai.networks.resize import fold_normalization, inflate_kernel, resize_kernel, resize_positions


def smooth(*shape):
    """Positions as smooth as trained ones are: low frequencies alone."""
    axes = torch.meshgrid(*(torch.linspace(0, 1, n, dtype=torch.float64) for n in shape), indexing="ij")
    waves = [
        torch.cos(torch.pi * sum(k * axis for k, axis in zip(ks, axes, strict=True)))
        for ks in product(range(3), repeat=len(shape))
    ]
    return torch.stack(waves, -1).flatten(0, -2)[None]


# --- positions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(5,), (3, 4), (2, 3, 4)])
def test_positions_of_the_same_grid_are_the_same(grid):
    positions = torch.rand(1, torch.Size(grid).numel(), 6)
    assert torch.equal(resize_positions(positions, grid, grid), positions.double())


@pytest.mark.parametrize(("old", "new"), [((16,), (24,)), ((12, 12), (16, 20)), ((12, 12, 12), (16, 18, 12))])
def test_positions_there_and_back_are_close(old, new):
    positions = smooth(*old)
    there = resize_positions(positions, old, new)
    assert there.dtype == torch.float64
    assert there.shape == (1, torch.Size(new).numel(), positions.shape[2])
    assert float((resize_positions(there, new, old) - positions).abs().mean()) < 0.05


def test_positions_keep_their_axes():
    # A value that only depends on the row stays so, and rises along the rows alone.
    rows = torch.arange(4.0)[:, None].expand(4, 6).reshape(1, 24, 1)
    grid = resize_positions(rows, (4, 6), (8, 3)).view(8, 3)
    assert torch.allclose(grid, grid[:, :1].expand(-1, 3))
    assert bool((grid[1:, 0] > grid[:-1, 0]).all())


def test_positions_of_a_plane_repeat_along_the_last_axis():
    positions = torch.rand(1, 12, 5)
    grid = resize_positions(positions, (3, 4), (3, 4, 7)).view(3, 4, 7, 5)
    assert torch.equal(grid, positions.double().view(3, 4, 1, 5).expand(3, 4, 7, 5))
    resized = resize_positions(positions, (3, 4), (6, 6, 2)).view(36, 2, 5)
    assert torch.equal(resized[:, 0], resize_positions(positions, (3, 4), (6, 6))[0])


def test_positions_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"10 positions are not a grid of \(3, 3\)"):
        resize_positions(torch.rand(1, 10, 2), (3, 3), (4, 4))
    with pytest.raises(ValueError, match=r"a 3D grid cannot become 2D; use spatial_dims=3"):
        resize_positions(torch.rand(1, 8, 2), (2, 2, 2), (2, 2))


# --- patch kernels ----------------------------------------------------------------------------------------------------


def resized_patches(patches, size):
    return functional.interpolate(patches, size=size, mode="bicubic", align_corners=False)


def test_a_kernel_of_the_same_size_is_the_same():
    kernel = torch.rand(4, 3, 14, 14)
    assert torch.equal(resize_kernel(kernel, (14, 14)), kernel.double())


@pytest.mark.parametrize("size", [(16, 16), (28, 20), (15, 14)])
def test_a_larger_kernel_gives_the_same_token_of_a_resized_patch(size):
    kernel = torch.randn(4, 3, 14, 14, dtype=torch.float64)
    patches = torch.randn(5, 3, 14, 14, dtype=torch.float64)
    before = torch.einsum("bchw,ochw->bo", patches, kernel)
    after = torch.einsum("bchw,ochw->bo", resized_patches(patches, size), resize_kernel(kernel, size))
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)


def test_a_smaller_kernel_is_the_least_squares_solution():
    kernel = torch.randn(1, 1, 14, 14, dtype=torch.float64)
    basis = resized_patches(torch.eye(196, dtype=torch.float64).view(196, 1, 14, 14), (8, 8)).flatten(1)  # (196, 64)
    best = torch.linalg.lstsq(basis, kernel.flatten()[:, None]).solution.view(1, 1, 8, 8)
    torch.testing.assert_close(resize_kernel(kernel, (8, 8)), best, rtol=1e-9, atol=1e-9)


def test_a_kernel_there_and_back_is_close():
    kernel = smooth(14, 14).view(14, 14, 9).permute(2, 0, 1)[:, None]
    back = resize_kernel(resize_kernel(kernel, (16, 16)), (14, 14))
    assert float((back - kernel).norm() / kernel.norm()) < 0.05


def test_an_inflated_kernel_is_exact_on_volumes_constant_along_z():
    kernel = torch.randn(4, 2, 8, 8)
    deep = inflate_kernel(kernel, 6)
    assert deep.shape == (4, 2, 8, 8, 6)
    plane = torch.rand(3, 2, 16, 24, dtype=torch.float64)
    flat = functional.conv2d(plane, kernel.double(), stride=8)
    volume = functional.conv3d(plane[..., None].expand(-1, -1, -1, -1, 12), deep, stride=(8, 8, 6))
    torch.testing.assert_close(volume, flat[..., None].expand(-1, -1, -1, -1, 2), rtol=1e-12, atol=1e-12)


# --- colours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (4, 4, 4)])
def test_folding_the_normalisation_is_exact_for_grey_images(shape):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    kernel, bias = torch.randn(5, 3, *shape), torch.randn(5)
    folded, offset = fold_normalization(kernel, bias, mean, std)
    assert folded.shape == (5, 1, *shape)
    grey = torch.rand(2, 1, *(4 * s for s in shape), dtype=torch.float64)
    view = (1, 3) + (1,) * len(shape)
    colour = (grey - torch.tensor(mean, dtype=torch.float64).view(view)) / torch.tensor(std, dtype=torch.float64).view(
        view
    )
    convolve = functional.conv2d if len(shape) == 2 else functional.conv3d
    torch.testing.assert_close(
        convolve(grey, folded, offset, stride=shape),
        convolve(colour, kernel.double(), bias.double(), stride=shape),
        rtol=1e-9,
        atol=1e-9,
    )
