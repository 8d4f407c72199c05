"""Images whose values or whose storing is wrong."""

import io

import numpy as np
from PIL import Image

from tests.verify.damages.geometry import save_with_tag
from tests.verify.damages.registry import EYES, PHOTOGRAPHS, VOLUMES, damage, image, mask, pixels, values
from tests.verify.data_sets import AFFINE, save_volume


@damage("nan", VOLUMES)
def nan_voxel(folder, number):
    path = image(folder, number)
    array = values(path).astype(np.float32)
    array[3, 3, 3] = np.nan
    save_volume(array, path)
    return path


@damage("nan", VOLUMES)
def infinite_voxel(folder, number):
    path = image(folder, number)
    array = values(path).astype(np.float32)
    array[3, 3, 3] = -np.inf
    save_volume(array, path)
    return path


@damage("constant", VOLUMES)
def blank_volume(folder, number):
    path = image(folder, number)
    save_volume(values(path) * 0, path)
    return path


@damage("constant", PHOTOGRAPHS, EYES)
def blank_photograph(folder, number):
    path = image(folder, number)
    Image.fromarray(np.full_like(pixels(path), 90)).save(path)
    return path


@damage("units", VOLUMES)
def scaled_volume(folder, number):
    path = image(folder, number)
    save_volume((values(path) / 1000).astype(np.float32), path)
    return path


@damage("units", VOLUMES)
def shifted_volume(folder, number):
    path = image(folder, number)
    save_volume(values(path) + np.int16(9000), path)
    return path


@damage("units", PHOTOGRAPHS, EYES)
def photograph_of_zeros_and_ones(folder, number):
    path = image(folder, number)
    Image.fromarray(pixels(path) // 128).save(path)
    return path


@damage("channels", VOLUMES)
def four_axes_among_three(folder, number):
    path = image(folder, number)
    save_volume(np.stack([values(path)] * 2, -1), path)
    return path


@damage("dims", VOLUMES)
def single_slice(folder, number):
    for path in (image(folder, number), mask(folder, number)):
        save_volume(values(path)[..., :1], path)
    return image(folder, number)


@damage("coarse", VOLUMES)
def spacing_in_other_units(folder, number):
    for path in (image(folder, number), mask(folder, number)):
        save_volume(values(path), path, AFFINE @ np.diag([0.001, 0.001, 0.001, 1]))
    return image(folder, number)


@damage("depth", EYES)
def sixteen_bits(folder, number):
    path = image(folder, number)
    Image.fromarray(pixels(path)[..., 0].astype(np.uint16) * 257).save(path)
    return path


@damage("alpha", PHOTOGRAPHS, EYES)
def transparency(folder, number):
    path = image(folder, number)
    Image.open(path).convert("RGBA").save(path)
    return path


@damage("palette", PHOTOGRAPHS, EYES)
def palette(folder, number):
    path = image(folder, number)
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    return path


@damage("cmyk", PHOTOGRAPHS, EYES)
def colours_for_printing(folder, number):
    path = image(folder, number)
    data = io.BytesIO()
    Image.open(path).convert("CMYK").save(data, "JPEG", quality=95)
    path.write_bytes(data.getvalue())
    return path


@damage("pages", PHOTOGRAPHS, EYES)
def two_pages(folder, number):
    path = image(folder, number)
    picture = Image.open(path)
    data = io.BytesIO()
    picture.save(data, "TIFF", save_all=True, append_images=[picture])
    path.write_bytes(data.getvalue())
    return path


@damage("exif", EYES)
def to_be_turned(folder, number):
    path = image(folder, number)
    save_with_tag(path, 8)
    return path


@damage("exif", PHOTOGRAPHS)
def to_be_turned_by_half(folder, number):
    path = image(folder, number)
    save_with_tag(path, 3)
    return path


@damage("float-image", EYES)
def floating_point_photograph(folder, number):
    path = image(folder, number)
    data = io.BytesIO()
    Image.fromarray(pixels(path)[..., 0].astype(np.float32) / 255).save(data, "TIFF")
    path.write_bytes(data.getvalue())
    return path


@damage("thin", EYES)
def sliver(folder, number):
    path = image(folder, number)
    Image.fromarray(pixels(path)[:3]).save(path)
    return path


@damage("colours", PHOTOGRAPHS, EYES)
def gray_among_colour(folder, number):
    path = image(folder, number)
    Image.open(path).convert("L").save(path)
    return path
