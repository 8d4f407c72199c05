from itertools import permutations, product

import numpy as np
import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.formats import apart, into_grid, tolerance

SHAPE = (3, 4, 5)
VOXELS = np.arange(60).reshape(1, *SHAPE)
C, S = np.cos(0.3), np.sin(0.3)
AFFINE = np.eye(4)
AFFINE[:3, :3] = np.array([[C, -S, 0], [S, C, 0], [0, 0, 1]]) @ np.diag([1.0, 2, 3])
AFFINE[:3, 3] = 10, -20, 30


def stored(axes, flips):
    """The same voxels at the same places with other axes."""
    moved = np.flip(VOXELS.transpose(0, *(1 + axis for axis in axes)), [1 + axis for axis in np.flatnonzero(flips)])
    change = np.eye(4)
    change[:3, :3] = np.eye(3)[:, list(axes)] * np.where(flips, -1, 1)
    change[list(axes), 3] = [SHAPE[axis] - 1 if flip else 0 for axis, flip in zip(axes, flips, strict=True)]
    return moved, AFFINE @ change


def test_all_48_ways_to_store_a_volume_come_back_exactly():
    for axes, flips in product(permutations(range(3)), product([False, True], repeat=3)):
        moved, affine = stored(axes, flips)
        np.testing.assert_array_equal(into_grid(moved, affine, AFFINE, SHAPE), VOXELS)


def shifted(*mm):
    affine = AFFINE.copy()
    affine[:3, 3] += mm
    return affine


def test_another_place_is_an_error_that_says_how_far():
    assert into_grid(VOXELS, shifted(0.04, 0, 0), AFFINE, SHAPE) is not None
    with pytest.raises(DataError, match=r"3 mm apart \(0\.05 are allowed\)"):
        into_grid(VOXELS, shifted(0, 0, 3), AFFINE, SHAPE)  # by a slice
    with pytest.raises(DataError, match="apart"):
        into_grid(VOXELS, shifted(0.06, 0, 0), AFFINE, SHAPE)
    assert into_grid(VOXELS, shifted(0.06, 0, 0), AFFINE, SHAPE, allowed=0.1) is not None
    turned = AFFINE.copy()
    turned[:3, :3] = np.diag([1.0, 2, 3])
    with pytest.raises(DataError, match="apart"):
        into_grid(VOXELS, turned, AFFINE, SHAPE)
    with pytest.raises(DataError, match="differ in direction or spacing"):
        into_grid(VOXELS, AFFINE @ np.diag([1, 1, 2.0, 1]), AFFINE, SHAPE)
    with pytest.raises(DataError, match="their shapes are 3 x 4 x 4 and 3 x 4 x 5"):
        into_grid(VOXELS[..., 1:], AFFINE, AFFINE, SHAPE)


def test_a_part_of_a_grid_is_filled_up_on_wish_only():
    start = AFFINE.copy()
    start[:3, 3] = (AFFINE @ [1, 1, 2, 1])[:3]
    part = VOXELS[:, 1:, 1:3, 2:]
    whole = into_grid(part, start, AFFINE, SHAPE, cropped=True)
    expected = np.zeros_like(VOXELS)
    expected[:, 1:, 1:3, 2:] = part
    np.testing.assert_array_equal(whole, expected)
    flip = np.diag([1.0, -1, 1, 1])
    flip[1, 3] = 1
    np.testing.assert_array_equal(into_grid(part[:, :, ::-1], start @ flip, AFFINE, SHAPE, cropped=True), expected)
    with pytest.raises(DataError, match="their shapes"):
        into_grid(part, start, AFFINE, SHAPE)
    start[:3, 3] = (AFFINE @ [2, 1, 2, 1])[:3]
    with pytest.raises(DataError, match="reaches out of the image's grid of 3 x 4 x 5"):
        into_grid(part, start, AFFINE, SHAPE, cropped=True)


def test_how_far_counts_over_the_whole_grid():
    assert apart(AFFINE, AFFINE, SHAPE) == 0
    turned = AFFINE @ np.diag([1, 1, 1.01, 1])
    assert apart(AFFINE, turned, (3, 4, 101)) == pytest.approx(3.0)
    assert tolerance(AFFINE) == pytest.approx(0.05)


def test_pictures_have_two_axes():
    flat = VOXELS[..., 0]
    np.testing.assert_array_equal(into_grid(flat, np.eye(4), np.eye(4), SHAPE[:2]), flat)
    with pytest.raises(DataError, match="their shapes are 4 x 3 x 1 and 3 x 4 x 1"):
        into_grid(flat.swapaxes(1, 2), np.eye(4), np.eye(4), SHAPE[:2])
