"""What a pre-trained tensor means is kept when it changes its size."""

from itertools import product
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from dvpt_monai.networks.resize import (
    INFLATIONS,
    adapt_channels,
    fold_normalization,
    inflate_kernel,
    resize_kernel,
    resize_positions,
)

properties = settings(deadline=None, derandomize=True, max_examples=25)
seeds = st.integers(0, 2**31)


def smooth(*shape):
    """Positions as smooth as trained ones are: low frequencies alone."""
    axes = torch.meshgrid(*(torch.linspace(0, 1, n, dtype=torch.float64) for n in shape), indexing="ij")
    waves = [
        torch.cos(torch.pi * sum(k * axis for k, axis in zip(ks, axes, strict=True)))
        for ks in product(range(3), repeat=len(shape))
    ]
    return torch.stack(waves, -1).flatten(0, -2)[None]


# --- positions --------------------------------------------------------------------------------------------------------


@properties
@given(grid=st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_positions_of_the_same_grid_are_the_same(grid):
    positions = torch.rand(1, prod(grid), 6)
    assert torch.equal(resize_positions(positions, grid, grid), positions.double())


@pytest.mark.parametrize(
    ("old", "new"), [((16,), (24,)), ((14, 14), (16, 16)), ((12, 12), (16, 20)), ((12, 12, 12), (16, 18, 12))]
)
def test_positions_there_and_back_are_close(old, new):
    positions = smooth(*old)
    there = resize_positions(positions, old, new)
    assert there.dtype == torch.float64
    assert there.shape == (1, prod(new), positions.shape[2])
    assert float((resize_positions(there, new, old) - positions).abs().mean()) < 0.05


def test_positions_keep_their_axes():
    # A value that only depends on the row stays so, and rises along the rows alone.
    rows = torch.arange(4.0)[:, None].expand(4, 6).reshape(1, 24, 1)
    grid = resize_positions(rows, (4, 6), (8, 3)).view(8, 3)
    assert torch.allclose(grid, grid[:, :1].expand(-1, 3))
    assert bool((grid[1:, 0] > grid[:-1, 0]).all())


@properties
@given(old=st.lists(st.integers(1, 6), min_size=1, max_size=3), new=st.lists(st.integers(1, 8), min_size=3, max_size=3))
def test_equal_positions_stay_equal_at_any_size(old, new):
    positions = torch.rand(1, 1, 4, dtype=torch.float64)
    grid = resize_positions(positions.expand(-1, prod(old), -1), old, new[: len(old)])
    torch.testing.assert_close(grid, positions.expand_as(grid))


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


@properties
@given(height=st.integers(6, 14), width=st.integers(6, 14), seed=seeds)
def test_a_larger_kernel_gives_the_same_token_of_a_resized_patch(height, width, seed):
    torch.manual_seed(seed)
    kernel = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    patches, size = torch.randn(5, 3, 6, 6, dtype=torch.float64), (height, width)
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


def test_any_kernel_there_and_back_sees_smooth_patches_as_before():
    # What pixels of images do to a token, that is; single pixels of noise are seen otherwise.
    kernel = torch.randn(32, 1, 14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    patches = smooth(14, 14).view(14, 14, 9).permute(2, 0, 1)[:, None]
    back = resize_kernel(resize_kernel(kernel, (16, 16)), (14, 14))
    before, after = tokens(patches, kernel), tokens(patches, back)
    assert float((after - before).norm() / before.norm()) < 0.03
    lost = tokens(patches, resize_kernel(resize_kernel(kernel, (7, 7)), (14, 14)))
    assert float((lost - before).norm() / before.norm()) > 0.1, "half of the pixels are not enough"


# --- 2D to 3D ---------------------------------------------------------------------------------------------------------


def tokens(image, kernel, bias=None):
    """Every patch with the kernel: a convolution without overlap."""
    convolve = functional.conv2d if kernel.ndim == 4 else functional.conv3d
    return convolve(image, kernel.double(), bias, stride=tuple(kernel.shape[2:]))


@properties
@given(depth=st.integers(1, 9), slabs=st.integers(1, 3), channels=st.integers(1, 4), seed=seeds)
@pytest.mark.parametrize("inflation", INFLATIONS)
def test_an_inflated_kernel_is_exact_on_volumes_constant_along_z(inflation, depth, slabs, channels, seed):
    torch.manual_seed(seed)
    kernel, plane = torch.randn(4, channels, 3, 2), torch.rand(2, channels, 6, 6, dtype=torch.float64)
    deep = inflate_kernel(kernel, depth, inflation)
    assert (deep.shape, deep.dtype) == ((4, channels, 3, 2, depth), torch.float64)
    volume = plane[..., None].expand(-1, -1, -1, -1, depth * slabs)
    expected = tokens(plane, kernel)[..., None].expand(-1, -1, -1, -1, slabs)
    torch.testing.assert_close(tokens(volume, deep), expected, rtol=1e-12, atol=1e-12)


@properties
@given(depth=st.integers(1, 9), seed=seeds)
def test_a_kernel_at_the_centre_reads_that_slice_and_the_average_reads_the_mean(depth, seed):
    torch.manual_seed(seed)
    kernel, volume = torch.randn(4, 2, 3, 3), torch.rand(2, 2, 6, 6, depth, dtype=torch.float64)
    center = tokens(volume, inflate_kernel(kernel, depth, "center"))[..., 0]
    average = tokens(volume, inflate_kernel(kernel, depth, "average"))[..., 0]
    torch.testing.assert_close(center, tokens(volume[..., depth // 2], kernel), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(average, tokens(volume.mean(-1), kernel), rtol=1e-10, atol=1e-10)
    assert depth == 1 or not torch.allclose(center, average), "two ways, and not one"


def test_another_inflation_is_refused():
    with pytest.raises(ValueError, match=r"inflation must be one of \('average', 'center'\), not 'middle'"):
        inflate_kernel(torch.rand(1, 1, 2, 2), 2, "middle")


# --- channels ---------------------------------------------------------------------------------------------------------


@properties
@given(channels=st.integers(1, 5), dims=st.integers(2, 3), seed=seeds)
def test_a_folded_normalisation_reads_raw_channels_as_the_kernel_read_normalised_ones(channels, dims, seed):
    torch.manual_seed(seed)
    kernel, bias = torch.randn(5, channels, *(3, 2, 2)[:dims]), torch.randn(5)
    mean, std = torch.rand(channels).tolist(), (0.1 + torch.rand(channels)).tolist()
    raw = torch.rand(2, channels, *(6, 4, 4)[:dims], dtype=torch.float64)
    normalised = torch.stack([(raw[:, c] - mean[c]) / std[c] for c in range(channels)], 1)
    folded, offset = fold_normalization(kernel, bias, mean, std)
    torch.testing.assert_close(tokens(raw, folded, offset), tokens(normalised, kernel, bias.double()))


@properties
@given(channels=st.integers(1, 9), colours=st.integers(1, 4), seed=seeds)
def test_equal_channels_give_the_token_of_equal_colours(channels, colours, seed):
    torch.manual_seed(seed)
    kernel, grey = torch.randn(4, colours, 3, 2), torch.rand(2, 1, 6, 6, dtype=torch.float64)
    adapted = adapt_channels(kernel, channels)
    assert (adapted.shape, adapted.dtype) == ((4, channels, 3, 2), torch.float64)
    torch.testing.assert_close(
        tokens(grey.expand(-1, channels, -1, -1), adapted), tokens(grey.expand(-1, colours, -1, -1), kernel)
    )


@properties
@given(channels=st.integers(1, 9), seed=seeds)
def test_each_colour_reads_the_mean_of_its_channels(channels, seed):
    """Counted by hand: channel 0 is red, 1 green, 2 blue, 3 red again; with fewer channels the colours count on."""
    torch.manual_seed(seed)
    kernel, image = torch.randn(4, 3, 3, 2), torch.rand(2, channels, 6, 6, dtype=torch.float64)
    read = [[c % channels] if channels < 3 else list(range(c, channels, 3)) for c in range(3)]
    colour = torch.stack([image[:, channels_of].mean(1) for channels_of in read], 1)
    torch.testing.assert_close(tokens(image, adapt_channels(kernel, channels)), tokens(colour, kernel))


@pytest.mark.parametrize("colours", [1, 3])
def test_as_many_channels_as_colours_change_nothing(colours):
    kernel = torch.randn(4, colours, 3, 2)
    assert torch.equal(adapt_channels(kernel, colours), kernel.double())


@pytest.mark.parametrize("channels", [2, 3, 4, 6])
def test_a_frozen_kernel_still_tells_channels_apart(channels):
    kernel = torch.randn(4, 3, 3, 2)
    first, second = (torch.zeros(1, channels, 3, 2, dtype=torch.float64) for _ in range(2))
    first[:, 0], second[:, 1] = 1, 1
    adapted = adapt_channels(kernel, channels)
    assert not torch.allclose(tokens(first, adapted), tokens(second, adapted), atol=1e-3)
