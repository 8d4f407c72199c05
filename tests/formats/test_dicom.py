from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dvpt_monai.errors import DataError
from dvpt_monai.formats import read

pydicom = pytest.importorskip("pydicom")


def file(name):
    path = pydicom.data.get_testdata_file(name, download=False)
    assert path is not None, f"{name} is not in the wheel of pydicom"
    return path


GREY = ["CT_small.dcm", "693_J2KI.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_jp2klossless.dcm"]
COLOURED = ["SC_rgb_rle.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "examples_rgb_color.dcm", "ExplVR_BigEnd.dcm"]


@pytest.mark.parametrize("name", GREY)
def test_pixels_are_those_of_pydicom(name):
    dataset = pydicom.dcmread(file(name))
    expected = dataset.pixel_array * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    image = read(file(name))
    assert image.affine is None and image.spacing is None and not image.channels
    np.testing.assert_allclose(image.array, expected)


@pytest.mark.slow
def test_every_image_in_pydicoms_wheel_is_read_right_or_refused_by_name():
    folder, right, refused = Path(pydicom.data.__file__).parent / "test_files", 0, 0
    for path in sorted(folder.glob("*.dcm")):
        try:
            image = read(path)
        except DataError as error:
            assert path.name in str(error) and "\n" not in str(error)
            refused += 1
            continue
        try:
            dataset = pydicom.dcmread(path)
            pixels = pydicom.pixels.pixel_array(path)
        except Exception:  # pydicom lacks a decoder
            continue
        if dataset.get("Modality") == "SEG" or "PALETTE" in dataset.PhotometricInterpretation:
            continue  # tested below and in test_dicom_seg.py
        expected = pixels * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
        np.testing.assert_allclose(image.array, expected, err_msg=path.name)
        right += 1
    assert right > 30 and refused > 20


@pytest.mark.parametrize("name", COLOURED)
def test_colours_are_rgb(name):
    image = read(file(name))
    assert image.channels and np.array_equal(image.array, pydicom.pixels.pixel_array(file(name)))


def test_a_palette_becomes_its_colours():
    dataset = pydicom.dcmread(file("examples_palette.dcm"))
    expected = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset)
    image = read(file("examples_palette.dcm"))
    assert image.channels and image.shape == (350, 800)
    scaled = expected / (257 if expected.dtype == np.uint16 else 1)
    assert np.abs(image.array - scaled).max() <= 1


@pytest.fixture
def x_ray(tmp_path):
    def of(photometric, **tags):
        image = sitk.GetImageFromArray(np.arange(0, 4000, 100, dtype=np.uint16).reshape(1, 5, 8))
        path = tmp_path / f"{photometric}.dcm"
        sitk.WriteImage(image, path)
        dataset = pydicom.dcmread(path)
        dataset.BitsStored, dataset.HighBit, dataset.PhotometricInterpretation = 12, 11, photometric
        for name, value in tags.items():
            setattr(dataset, name, value)
        dataset.save_as(path)
        return path

    return of


def test_monochrome1_is_turned_so_that_white_is_high(x_ray):
    plain, inverted = read(x_ray("MONOCHROME2")).array, read(x_ray("MONOCHROME1")).array
    assert plain[0, 1] == 100 and inverted[0, 1] == 4095 - 100
    np.testing.assert_array_equal(plain + inverted, np.full(plain.shape, 4095))
    scaled = read(x_ray("MONOCHROME1", RescaleSlope=2, RescaleIntercept=10)).array
    np.testing.assert_array_equal(scaled, 10 + 2 * (4095 - plain.astype(int)))


def test_a_window_is_applied_on_wish_only(x_ray):
    tags = {"WindowCenter": 2000, "WindowWidth": 1001}
    path = x_ray("MONOCHROME2", **tags)
    assert read(path).array.max() == 3900
    shown = read(path, window=True).array
    assert shown.min() == 0 and shown.max() == 255
    assert shown.flat[20] == pytest.approx(255 * (2000 - 1499.5) / 1000)
    inverted = read(x_ray("MONOCHROME1", **tags), window=True).array
    np.testing.assert_allclose(inverted, 255 - shown, atol=1e-4)
    with pytest.raises(DataError, match="names no window"):
        read(x_ray("MONOCHROME2"), window=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("examples_ybr_color.dcm", "30 frames"),
        ("SC_rgb_rle_2frame.dcm", "2 frames"),
        ("SC_rgb_rle_16bit.dcm", "16 bits in a transfer syntax .* that is misread"),
        ("rtdose.dcm", "no image but RTDOSE"),
        ("rtdose_expb_1frame.dcm", "RTDOSE|no DICOM image"),
        ("MR_truncated.dcm", "no DICOM image, or a damaged one"),
        ("rtplan.dcm", "no DICOM image|no image but RTPLAN"),
    ],
)
def test_what_is_no_single_image_is_refused_by_name(name, words):
    with pytest.raises(DataError, match=words) as raised:
        read(file(name))
    assert name in str(raised.value) and "\n" not in str(raised.value)
