"""White is 255, whatever a picture was stored with; where nobody knows what white is, it is asked."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.transforms import EnsureRGBd, LoadImaged
from dvpt_monai.verify import verify


def load(path, window=False, **settings):
    case = LoadImaged("image", ensure_channel_first=True, window=window)({"image": str(path)})
    return EnsureRGBd("image", **settings)(case)["image"]


def test_floats_whose_white_nobody_knows_are_no_black_pictures(tmp_path):
    Image.fromarray(np.linspace(0, 0.05, 20, dtype=np.float32).reshape(4, 5)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif: values from 0 to 0\.05, of which nobody knows what white is"):
        load(tmp_path / "a.tif", floats=False)
    assert load(tmp_path / "a.tif").max() == pytest.approx(0.05)  # init measures the range itself


@pytest.mark.parametrize("size", [(3, 3000), (3000, 3)])
def test_a_sliver_is_refused_before_nothing_is_left_of_it(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=rf"a\.png: {size[0]} x {size[1]} pixels, a sliver"):
        load(tmp_path / "a.png")
    assert verify(tmp_path, workers=1, progress=False).fatal[0].kind.code == "sliver"
    Image.new("RGB", (3, 150)).save(tmp_path / "a.png")
    assert load(tmp_path / "a.png").shape == (3, 150, 3) and not verify(tmp_path, workers=1, progress=False).fatal


def test_sixteen_bits_of_png_are_no_floats(tmp_path):
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert load(tmp_path / "a.png", floats=False)[0].tolist() == [[0, 255]]


@pytest.mark.parametrize(("interpretation", "expected"), [("MONOCHROME2", [0, 255]), ("MONOCHROME1", [255, 0])])
def test_what_a_file_of_dicom_can_hold_becomes_0_to_255(tmp_path, interpretation, expected):
    pydicom = pytest.importorskip("pydicom")
    sitk.WriteImage(sitk.GetImageFromArray(np.array([[[0, 4095], [0, 0]]], np.uint16)), str(tmp_path / "a.dcm"))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.HighBit = interpretation, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.save_as(tmp_path / "a.dcm")
    for window in (False, True):
        shown = load(tmp_path / "a.dcm", window)
        assert shown.shape == (3, 2, 2)
        np.testing.assert_allclose(shown[0, 0], expected, atol=5)
        assert torch.equal(EnsureRGBd("image")({"image": shown})["image"], shown)  # a second time nothing changes
