"""Files that are cut off, altered, missing, hidden or left out."""

import gzip
import shutil

import numpy as np

from tests.verify.damages.registry import EYES, PHOTOGRAPHS, VOLUMES, damage, header_of, image, mask


@damage("corrupt", VOLUMES)
def truncated_stream(folder, number):
    path = image(folder, number)
    path.write_bytes(path.read_bytes()[:-200])
    return path


@damage("corrupt", VOLUMES)
def trailer_cut(folder, number):
    path = mask(folder, number)
    path.write_bytes(path.read_bytes()[:-8])
    return path


@damage("corrupt", VOLUMES)
def flipped_bit(folder, number):
    path = image(folder, number)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    return path


@damage("corrupt", VOLUMES)
def overwritten_stretch(folder, number):
    path = mask(folder, number)
    content = bytearray(path.read_bytes())
    content[120:140] = bytes(20)
    path.write_bytes(content)
    return path


@damage("corrupt", VOLUMES)
def damaged_second_member(folder, number):
    path = image(folder, number)
    content = gzip.decompress(path.read_bytes())
    second = bytearray(gzip.compress(content[3000:]))
    second[-5] ^= 1
    path.write_bytes(gzip.compress(content[:3000]) + second)
    return path


@damage("unreadable", VOLUMES, PHOTOGRAPHS, EYES)
def empty_file(folder, number):
    path = image(folder, number)
    path.write_bytes(b"")
    return path


@damage("unreadable", PHOTOGRAPHS, EYES)
def another_format(folder, number):
    path = image(folder, number)
    path.write_bytes(b"<html>404 not found</html>")
    return path


@damage("unreadable", PHOTOGRAPHS, EYES)
def truncated_photograph(folder, number):
    path = image(folder, number)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@damage("unreadable", VOLUMES)
def fewer_voxels_than_the_header_says(folder, number):
    return header_of(image(folder, number), lambda content: content.__delitem__(slice(-500, None)))


@damage("missing", VOLUMES, EYES)
def missing_image(folder, number):
    path = image(folder, number)
    path.unlink()
    return path


@damage("missing", VOLUMES)
def missing_mask(folder, number):
    path = mask(folder, number)
    path.unlink()
    return path


@damage("unpaired", PHOTOGRAPHS)
def mask_without_image(folder, number):
    image(folder, number).unlink()
    return mask(folder, number)


@damage("unpaired", PHOTOGRAPHS)
def image_without_mask(folder, number):
    mask(folder, number).unlink()
    return image(folder, number)


@damage("hidden", VOLUMES, PHOTOGRAPHS, EYES)
def leftover_of_macos(folder, number):
    path = image(folder, number)
    hidden = path.with_name("._" + path.name)
    hidden.write_bytes(b"\0\5\26\7")
    return hidden


@damage("letters", VOLUMES, EYES)
def capitals(folder, number):
    path = image(folder, number)
    other = path.with_name(path.name.upper().replace(".NII.GZ", ".nii.gz"))
    shutil.copyfile(path, other)
    return path


@damage("left-out", VOLUMES, EYES)
def image_that_no_case_lists(folder, number):
    path = image(folder, number)
    other = path.with_name("extra_" + path.name)
    shutil.copyfile(path, other)
    return other


@damage("left-out", PHOTOGRAPHS, EYES)
def format_that_is_not_read(folder, number):
    path = image(folder, number).with_name(f"x{number}.npy")
    np.save(path, np.zeros(3))
    return path
