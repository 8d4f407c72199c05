"""Ways to spoil one file of a clean data set: each gives the code and the file that verify must name."""

import gzip
import io
import json
import shutil
import struct

import nibabel as nib
import numpy as np
from PIL import Image

from tests.verify.data_sets import AFFINE, save_volume

VOLUMES, PHOTOGRAPHS, EYES = {}, {}, {}


def damage(code, *tables):
    def register(function):
        for table in tables:
            table[function.__name__] = (code, function)
        return function

    return register


def image(folder, number):
    """The image of a case, in whichever of the data sets."""
    return next(path for path in sorted(folder.glob("image*/*")) if path.name[1:4] == f"{number:03}")


def mask(folder, number):
    return next(
        path
        for path in sorted([*folder.glob("labels*/*"), *folder.glob("masks/*")])
        if path.name[1:4] == f"{number:03}"
    )


def values(path):
    return np.asanyarray(nib.load(path).dataobj).copy()


def pixels(path):
    return np.asarray(Image.open(path)).copy()


def header_of(path, change):
    """Rewrite the NIfTI header in place; gzip anew, so that only the header is at fault."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    change(content)
    path.write_bytes(gzip.compress(bytes(content)))
    return path


# files


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


# geometry


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


# labels


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


# intensities


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


# parts


@damage("copy", VOLUMES, PHOTOGRAPHS)
def copy(folder, number):
    other = (number + 1) % 12
    shutil.copyfile(image(folder, min(number, other)), image(folder, max(number, other)))
    return image(folder, max(number, other))


@damage("likely-copy", PHOTOGRAPHS)
def resized_copy(folder, number):
    other = (number + 1) % 12
    source, target = image(folder, min(number, other)), max(number, other)
    for path, resample in ((image(folder, target), Image.Resampling.BICUBIC), (mask(folder, target), 0)):
        Image.open(source if "images" in str(path) else path).resize((144, 192), resample).save(path)
    return image(folder, target)


@damage("likely-copy", VOLUMES)
def scaled_copy(folder, number):
    other = (number + 1) % 12
    array = values(image(folder, min(number, other)))
    save_volume((array * 1.1).astype(np.int16), image(folder, max(number, other)))
    return image(folder, max(number, other))


def last_row(folder, **cells):
    """Append a row to the table of eyes."""
    with (folder / "labels.csv").open("a") as file:
        file.write("{image},{grade},{split},{patient}\n".format(**cells))


@damage("leak", EYES)
def copy_in_the_test(folder, number):
    path = folder / "images" / "z.png"
    shutil.copyfile(image(folder, number), path)
    last_row(folder, image="images/z.png", grade=number % 2, split="train" if number >= 8 else "test", patient="new")
    return path


@damage("likely-leak", EYES)
def reencoded_copy_in_the_test(folder, number):
    path = folder / "images" / "z.jpg"
    Image.open(image(folder, number)).save(path, quality=85)
    last_row(folder, image="images/z.jpg", grade=number % 2, split="train" if number >= 8 else "test", patient="new")
    return path


@damage("contradiction", EYES)
def copy_with_another_label(folder, number):
    path = folder / "images" / "z.png"
    shutil.copyfile(image(folder, number), path)
    last_row(folder, image="images/z.png", grade=1 - number % 2, split="train", patient="new")
    return path


@damage("patient", EYES)
def patient_in_two_parts(folder, number):
    path = folder / "images" / "z.png"
    Image.fromarray(np.random.default_rng(99).integers(0, 255, (96, 72, 3), np.uint8)).save(path)
    split = "train" if number >= 8 else "test"
    last_row(folder, image="images/z.png", grade=0, split=split, patient=f"p{number}")
    return path


@damage("scarce", EYES)
def class_of_one(folder, number):
    rows = (folder / "labels.csv").read_text().splitlines()
    rows[number + 1] = rows[number + 1].replace(f",{number % 2},", ",9,")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@damage("class-spelling", EYES)
def class_in_two_spellings(folder, number):
    rows = (folder / "labels.csv").read_text().replace(",0,", ",healthy,").replace(",1,", ",ill,").splitlines()
    rows[number + 1] = rows[number + 1].replace(",healthy,", ",Healthy,").replace(",ill,", ",Ill,")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@damage("label-unknown", VOLUMES)
def structure_that_is_not_declared(folder, number):
    path = mask(folder, number)
    array = values(path)
    array[array == 2] = 3
    save_volume(array, path)
    return path


@damage("layout", VOLUMES)
def broken_list(folder, number):
    content = json.loads((folder / "dataset.json").read_text())
    content["training"][number] = "no case"
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder
