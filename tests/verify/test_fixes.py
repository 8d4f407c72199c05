"""Corrected copies show what was meant, and only where one correction is possible."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, ImageOps

from dvpt_monai.errors import DataError
from dvpt_monai.verify import fix, verify
from tests.verify import damages
from tests.verify.data_sets import eyes, photographs, volumes


def fixed(folder, tmp_path):
    return {each.file: each for each in fix(verify(folder, workers=1, progress=False), tmp_path / "fixed")}


@pytest.mark.parametrize("kind", ["to_be_turned", "transparency", "palette", "colours_for_printing"])
def test_photographs_become_upright_and_rgb(tmp_path, kind):
    folder = eyes(tmp_path / "eyes")
    path = damages.EYES[kind][1](folder, 3)
    with Image.open(path) as image:
        meant = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    copy = fixed(folder, tmp_path)[path].copy
    assert copy == tmp_path / "fixed" / "images" / "e003.png"
    with Image.open(copy) as image:
        assert image.mode == "RGB" and not image.getexif()
        assert np.array_equal(np.asarray(image), meant)


def test_a_mask_is_turned_as_its_image_is(tmp_path):
    folder = photographs(tmp_path / "data")
    path = damages.PHOTOGRAPHS["mask_of_the_image_before_it_was_turned"][1](folder, 3)
    before = damages.pixels(path)
    copies = fixed(folder, tmp_path)
    with Image.open(copies[damages.image(folder, 3)].copy) as image, Image.open(copies[path].copy) as mask:
        assert image.size == mask.size
        assert np.array_equal(np.asarray(mask), np.rot90(before, -1))


def test_a_mask_comes_into_the_grid_of_its_image(tmp_path):
    folder = volumes(tmp_path / "data")
    before = damages.values(damages.mask(folder, 3))
    path = damages.VOLUMES["mask_stored_otherwise"][1](folder, 3)
    copy = nib.load(fixed(folder, tmp_path)[path].copy)
    assert np.array_equal(np.asanyarray(copy.dataobj), before)
    assert np.allclose(copy.affine, nib.load(damages.image(folder, 3)).affine, atol=1e-4)


def test_whole_numbers_become_integers(tmp_path):
    folder = volumes(tmp_path / "data")
    path = damages.VOLUMES["mask_in_floating_point"][1](folder, 3)
    copy = nib.load(fixed(folder, tmp_path)[path].copy)
    assert copy.get_data_dtype() == np.uint8
    assert np.array_equal(np.asanyarray(copy.dataobj), damages.values(path))


@pytest.mark.parametrize("kind", ["flipped_bit", "mask_elsewhere", "interpolated_mask", "nan_voxel"])
def test_what_is_uncertain_stays(tmp_path, kind):
    folder = volumes(tmp_path / "data")
    path = damages.VOLUMES[kind][1](folder, 3)
    assert fixed(folder, tmp_path)[path].copy is None
    assert not (tmp_path / "fixed").exists()


def test_what_is_transparent_stays(tmp_path):
    folder = eyes(tmp_path / "eyes")
    path = damages.image(folder, 3)
    image = Image.open(path).convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.save(path)
    assert "transparent" in fixed(folder, tmp_path)[path].what


def test_fixed_data_have_no_more_faults(tmp_path):
    folder = volumes(tmp_path / "data")
    damages.VOLUMES["mask_stored_otherwise"][1](folder, 3)
    damages.VOLUMES["mask_in_floating_point"][1](folder, 5)
    for path, each in fixed(folder, tmp_path).items():
        path.write_bytes(each.copy.read_bytes())
    assert verify(folder, workers=1, progress=False).findings == ()


def test_nothing_is_replaced(tmp_path):
    folder = volumes(tmp_path / "data", count=2)
    with pytest.raises(DataError, match="not an empty folder"):
        fix(verify(folder, workers=1, progress=False), folder)
