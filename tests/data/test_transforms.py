import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, Rotate90d
from PIL import Image

from dvpt_monai.data import CheckLabeld, DataError, EnsureRGBd


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


@pytest.mark.parametrize("label", [torch.tensor([[0, 2], [1, 1]]), np.zeros((2, 2)), 2, torch.tensor(0.0)])
def test_labels_in_range_pass_unchanged(label):
    assert CheckLabeld("label", num_classes=3)({"label": label})["label"] is label


@pytest.mark.parametrize("label", [3, -1, 0.5, float("nan")])
def test_labels_out_of_range_are_refused(label):
    mask = MetaTensor(torch.tensor([0, 1, label]), meta={"filename_or_obj": "mask.nii.gz"})
    with pytest.raises(DataError, match=rf"label mask\.nii\.gz: value {label:g} is not an integer in 0\.\.2"):
        CheckLabeld("label", num_classes=3)({"label": mask})
