"""Headers and masks that lie elsewhere."""

import struct

import nibabel as nib
import numpy as np
from PIL import Image

from tests.verify.damages.registry import PHOTOGRAPHS, VOLUMES, damage, header_of, image, mask, pixels, values
from tests.verify.data_sets import AFFINE, save_volume


@damage("spacing", VOLUMES)
def zero_spacing(folder, number):
    return header_of(image(folder, number), lambda content: struct.pack_into("<f", content, 80, 0.0))


@damage("spacing", VOLUMES)
def absurd_spacing(folder, number):
    path = image(folder, number)
    for file in (path, mask(folder, number)):
        save_volume(values(file), file, AFFINE @ np.diag([1000, 1000, 1000, 1]))
    return path


@damage("affine", VOLUMES)
def affine_with_nan(folder, number):
    return header_of(image(folder, number), lambda content: struct.pack_into("<f", content, 280, np.nan))


@damage("affine", VOLUMES)
def singular_affine(folder, number):
    def flatten(content):
        content[312:328] = content[280:296]  # the third row of the sform is the first
        content[296:312] = content[280:296]

    return header_of(image(folder, number), flatten)


@damage("forms", VOLUMES)
def sform_and_qform_differ(folder, number):
    path = image(folder, number)
    volume = nib.load(path)
    other = nib.Nifti1Image(values(path), volume.affine)
    other.set_qform(AFFINE @ np.diag([-1, -1, 1, 1]), 1)
    other.set_sform(volume.affine, 1)
    nib.save(other, path)
    return path


@damage("readers", VOLUMES)
def sform_alone_beside_another_pixdim(folder, number):
    path = image(folder, number)
    save_volume(values(path), path, AFFINE, qform=0)
    return header_of(path, lambda content: struct.pack_into("<f", content, 80, 0.9))


@damage("nowhere", VOLUMES)
def no_place(folder, number):
    return header_of(image(folder, number), lambda content: content.__setitem__(slice(252, 256), bytes(4)))


@damage("shear", VOLUMES)
def gantry_tilt(folder, number):
    tilt = np.eye(4)
    tilt[1, 2] = 0.3
    for file in (path := image(folder, number), mask(folder, number)):
        save_volume(values(file), file, AFFINE @ tilt, qform=0)
    return path


@damage("shape", VOLUMES)
def mask_of_another_size(folder, number):
    path = mask(folder, number)
    save_volume(values(path)[:-2], path)
    return path


@damage("shape", PHOTOGRAPHS)
def mask_of_another_photograph(folder, number):
    path = mask(folder, number)
    Image.fromarray(pixels(path)[:-4]).save(path)
    return path


@damage("place", VOLUMES)
def mask_elsewhere(folder, number):
    path = mask(folder, number)
    moved = AFFINE.copy()
    moved[0, 3] += 5
    save_volume(values(path), path, moved)
    return path


@damage("place", VOLUMES)
def mask_mirrored(folder, number):
    path = mask(folder, number)
    save_volume(values(path), path, AFFINE @ np.diag([-1, 1, 1, 1]))
    return path


@damage("axes", VOLUMES)
def mask_stored_otherwise(folder, number):
    path = mask(folder, number)
    turned = nib.as_closest_canonical(nib.load(path)).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]]))
    save_volume(np.asanyarray(turned.dataobj), path, turned.affine)
    return path


@damage("flat-mask", VOLUMES)
def mask_with_four_axes(folder, number):
    path = mask(folder, number)
    save_volume(np.stack([values(path)] * 3, -1), path)
    return path


@damage("turned", PHOTOGRAPHS)
def mask_of_the_image_before_it_was_turned(folder, number):
    save_with_tag(image(folder, number), 6)
    return mask(folder, number)


def save_with_tag(path, turn):
    picture = Image.open(path)
    tag = picture.getexif()
    tag[0x0112] = turn
    picture.save(path, exif=tag)
