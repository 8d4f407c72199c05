"""Masks whose values are wrong."""

import numpy as np
from PIL import Image

from tests.verify.damages.registry import PHOTOGRAPHS, VOLUMES, damage, image, mask, pixels, values
from tests.verify.data_sets import save_volume


@damage("label-unknown", VOLUMES)
def undeclared_value(folder, number):
    path = mask(folder, number)
    array = values(path)
    array[0, 0, 0] = 7
    save_volume(array, path)
    return path


@damage("label-unknown", VOLUMES)
def negative_value(folder, number):
    path = mask(folder, number)
    array = values(path).astype(np.int16)
    array[0, 0, 0] = -1
    save_volume(array, path)
    return path


@damage("label-fraction", VOLUMES)
def interpolated_mask(folder, number):
    path = mask(folder, number)
    array = values(path).astype(np.float32)
    array[0, 0, 0] = 0.5
    save_volume(array, path)
    return path


@damage("label-float", VOLUMES)
def mask_in_floating_point(folder, number):
    path = mask(folder, number)
    save_volume(values(path).astype(np.float64), path)
    return path


@damage("label-nan", VOLUMES)
def mask_with_nan(folder, number):
    path = mask(folder, number)
    array = values(path).astype(np.float32)
    array[0, 0, 0] = np.nan
    save_volume(array, path)
    return path


@damage("label-colours", PHOTOGRAPHS)
def coloured_mask(folder, number):
    path = mask(folder, number)
    array = np.stack([pixels(path)] * 3, -1)
    array[0, 0] = 255, 0, 0
    Image.fromarray(array).save(path)
    return path


@damage("label-lossy", PHOTOGRAPHS)
def mask_saved_as_jpeg(folder, number):
    path = mask(folder, number)
    Image.fromarray(pixels(path)).save(path.with_suffix(".jpg"), quality=40)
    path.unlink()
    return path.with_suffix(".jpg")


@damage("label-many", PHOTOGRAPHS)
def image_in_the_place_of_a_mask(folder, number):
    path = mask(folder, number)
    Image.fromarray(pixels(image(folder, number))[..., 0]).save(path)
    return path


@damage("label-rare", PHOTOGRAPHS)
def mask_of_another_convention(folder, number):
    path = mask(folder, number)
    Image.fromarray(pixels(path) // 255).save(path)
    return path


@damage("empty", VOLUMES)
def empty_mask(folder, number):
    path = mask(folder, number)
    save_volume(values(path) * 0, path)
    return path


@damage("empty", PHOTOGRAPHS)
def black_mask(folder, number):
    path = mask(folder, number)
    Image.fromarray(pixels(path) * 0).save(path)
    return path
