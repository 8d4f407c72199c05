import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, Rotate90d
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.transforms import CheckLabeld, CheckShaped, EnsureRGBd


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8))


def load(path, *more, reverse_indexing=False):
    reader = {"reader": "PILReader", "reverse_indexing": reverse_indexing, "ensure_channel_first": True}
    return Compose([LoadImaged("image", **reader), *more])({"image": path})["image"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
@pytest.mark.parametrize("reverse_indexing", [False, True])
def test_every_kind_of_png_becomes_what_pillow_makes_of_it(photo, tmp_path, mode, reverse_indexing):
    photo.convert(mode).save(tmp_path / "photo.png")
    image = load(tmp_path / "photo.png", EnsureRGBd("image"), reverse_indexing=reverse_indexing)
    expected = np.asarray(photo.convert(mode).convert("RGB"), np.float32).transpose(2, 0, 1)
    assert image.dtype == torch.float32
    assert isinstance(image, MetaTensor)
    assert image.meta["filename_or_obj"].endswith("photo.png")
    np.testing.assert_array_equal(image.numpy(), expected.transpose(0, 2, 1) if reverse_indexing else expected)
    if mode != "RGB":  # without the transform it is something else
        plain = load(tmp_path / "photo.png", reverse_indexing=reverse_indexing)
        assert plain.shape != image.shape
    torch.testing.assert_close(EnsureRGBd("image")({"image": image})["image"], image)  # again changes nothing


def test_white_is_255_whatever_the_bits(photo, tmp_path):
    gray = np.asarray(photo.convert("L"))
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    photo.convert("1").save(tmp_path / "two.png")
    deep, two = (load(tmp_path / name, EnsureRGBd("image")) for name in ("deep.png", "two.png"))
    np.testing.assert_allclose(deep.numpy(), np.broadcast_to(gray, (3, 6, 9)), rtol=1e-6)
    np.testing.assert_array_equal(two.numpy(), np.asarray(photo.convert("1").convert("RGB")).transpose(2, 0, 1))
    assert load(tmp_path / "deep.png").max() > 255 and load(tmp_path / "two.png").max() == 1  # without the transform
    for image in (deep, two):
        torch.testing.assert_close(EnsureRGBd("image")({"image": image})["image"], image)  # again changes nothing


def test_16_bits_as_older_pillow_names_them():
    image = MetaTensor(torch.full((1, 2, 2), 65535.0), meta={"mode": "I", "format": "PNG"})
    assert EnsureRGBd("image")({"image": image})["image"].unique().tolist() == [255]
    other = MetaTensor(image.as_tensor(), meta={"mode": "I", "format": "TIFF"})  # 32 bits, whose white nobody knows
    assert EnsureRGBd("image")({"image": other})["image"].unique().tolist() == [65535]


def test_a_palette_needs_its_indices(photo, tmp_path):
    photo.convert("P").save(tmp_path / "photo.png")
    blur = [Rotate90d("image"), lambda case: {"image": case["image"] * 0.5}]
    with pytest.raises(RuntimeError) as caught:
        load(tmp_path / "photo.png", *blur, EnsureRGBd("image"))
    cause = caught.value.__cause__
    assert isinstance(cause, DataError)
    assert "photo.png" in str(cause)
    assert "right after loading" in str(cause)
    turned = load(tmp_path / "photo.png", blur[0], EnsureRGBd("image"))
    assert turned.shape == (3, 9, 6)


def test_other_colours_are_refused(photo, tmp_path):
    photo.convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(DataError, match=r"print\.jpg: its colours are CMYK; save it as RGB"):
        EnsureRGBd("image")({"image": load(tmp_path / "print.jpg")})


@pytest.mark.parametrize("shape", [(5, 8, 8), (8, 8, 3), (8, 8), (1, 8, 8, 8)])
def test_other_shapes_are_refused(shape):
    image = MetaTensor(torch.zeros(shape), meta={"filename_or_obj": "eye.png"})
    with pytest.raises(DataError, match=r"image eye\.png: shape .*ensure_channel_first"):
        EnsureRGBd("image")({"image": image})


def test_takes_plain_arrays_and_leaves_other_keys():
    case = {"image": np.ones((1, 4, 4), np.uint8), "label": 3}
    result = EnsureRGBd(["image", "other"], allow_missing_keys=True)(case)
    assert result["image"].shape == (3, 4, 4)
    assert result["label"] == 3
    assert case["image"].shape == (1, 4, 4)
    with pytest.raises(KeyError):
        EnsureRGBd("other")(case)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8, 8), (1, 8, 8, 8, 8), (8, 8, 8)])
def test_an_image_of_another_shape_is_refused(shape):
    check = CheckShaped("image", spatial_dims=3, channels=1)
    fits = torch.zeros(1, 8, 8, 8)
    assert check({"image": fits})["image"] is fits
    with pytest.raises(DataError, match=r"image brain\.nii: shape .* is no 3D image of 1 channel$"):
        check({"image": MetaTensor(torch.zeros(shape), meta={"filename_or_obj": "brain.nii"})})


@pytest.mark.parametrize("label", [torch.tensor([[0, 2], [1, 1]]), np.zeros((2, 2)), 2, torch.tensor(0.0)])
def test_labels_in_range_pass_unchanged(label):
    assert CheckLabeld("label", num_classes=3)({"label": label})["label"] is label


@pytest.mark.parametrize("label", [3, -1, 0.5, float("nan")])
def test_labels_out_of_range_are_refused(label):
    mask = MetaTensor(torch.tensor([0, 1, label]), meta={"filename_or_obj": "mask.nii.gz"})
    with pytest.raises(DataError, match=rf"label mask\.nii\.gz: value {label:g} is not an integer in 0\.\.2"):
        CheckLabeld("label", num_classes=3)({"label": mask})
