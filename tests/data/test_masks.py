"""Images with one mask for each structure: reading, loading, cutting."""

import logging

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from dvpt_monai.data import read_masks, split
from dvpt_monai.errors import DataError
from dvpt_monai.transforms import LoadMasksd, RandCropStructuresd

STRUCTURES = ["MA", "HE", "red_spot", "spot"]


@pytest.fixture
def eyes(tmp_path):
    """`eyes(*names)` makes empty files below a folder, with two images."""

    def write(*names):
        for name in ("images/a.jpg", "images/b.PNG", *names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return tmp_path

    return write


def test_masks_are_found_by_their_name_or_their_folder(eyes):
    folder = eyes(
        "masks/a_MA.png", "masks/HE/a.tif", "masks/deep/MA/b.png", "masks/b_red_spot.png", "masks/any/b_spot.png",
        "masks/a_other.png", "masks/._a_HE.png", "masks/notes.txt", "images/.hidden.jpg", "images/readme.md",
    )  # fmt: skip
    cases = read_masks(folder, STRUCTURES)
    assert cases == [
        {
            "image": str(folder / "images/a.jpg"),
            "label": {"HE": str(folder / "masks/HE/a.tif"), "MA": str(folder / "masks/a_MA.png")},
            "name": "images/a.jpg",
        },
        {
            "image": str(folder / "images/b.PNG"),
            "label": {
                "MA": str(folder / "masks/deep/MA/b.png"),
                "spot": str(folder / "masks/any/b_spot.png"),
                "red_spot": str(folder / "masks/b_red_spot.png"),
            },
            "name": "images/b.PNG",
        },
    ]
    assert split(cases, "training", folds=1) == cases
    assert [case["name"] for case in read_masks(folder, STRUCTURES, root=folder.parent)] == [
        f"{folder.name}/images/a.jpg",
        f"{folder.name}/images/b.PNG",
    ]


def test_what_is_missing_is_said(eyes, caplog):
    folder = eyes("masks/a_MA.png")
    assert [sorted(case["label"]) for case in read_masks(folder, ["MA", "SE"])] == [["MA"], []]
    assert "no image has a mask of SE" in caplog.text
    assert "1 of 2 images have no mask" in caplog.text and "b.PNG" in caplog.text
    caplog.clear()
    read_masks(eyes("masks/b_MA.png"), ["MA"])
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["images/a.png", "masks/a_MA.png"], "one name"),
        (["masks/a_MA.png", "masks/c_MA.png"], "no image c"),
        (["masks/a_MA.png", "masks/MA/a.png"], "both the MA of a"),
        (["masks/a_ma.png", "masks/b_EX.png"], r"no mask of .*\['EX', 'ma'\]"),
        (["masks/readme.txt"], "no files that end in"),
        ([], "no such folder"),
    ],
)
def test_folders_that_cannot_be_read(eyes, files, words):
    with pytest.raises(DataError, match=words):
        read_masks(eyes(*files), STRUCTURES)


@pytest.mark.parametrize("names", [[], ["MA", "MA"]])
def test_names_of_structures(eyes, names):
    with pytest.raises(DataError, match="structures="):
        read_masks(eyes("masks/a_MA.png"), names)
    with pytest.raises(DataError, match="structures="):
        LoadMasksd("label", names)


def test_the_real_lesions(real_data):
    """What the data's own description counts: SE in 40 of 81 images, HE in 80."""
    structures = ["MA", "HE", "EX", "SE", "OD"]
    parts = [read_masks(real_data("idrid_lesions") / part, structures) for part in ("train", "test")]
    assert [len(part) for part in parts] == [54, 27]
    count = {name: sum(name in case["label"] for part in parts for case in part) for name in structures}
    assert count == {"MA": 81, "HE": 80, "EX": 81, "SE": 40, "OD": 81}


# --- loading

TRUTH = np.random.default_rng(0).random((6, 9)) > 0.6


def saved(path, mode):
    mask = Image.fromarray(np.uint8(255) * TRUTH.astype(np.uint8))
    if mode == "small":
        mask = Image.fromarray(TRUTH.astype(np.uint8))
    elif mode == "red":
        mask = Image.merge("RGB", [mask, *2 * [Image.new("L", mask.size)]])
    elif mode != "L":
        mask = mask.convert(mode)
    mask.save(path)
    return str(path)


@pytest.mark.parametrize("mode", ["L", "1", "small", "RGB", "RGBA", "LA", "red"])
def test_every_kind_of_mask_becomes_zeros_and_ones(tmp_path, mode):
    label = {"MA": saved(tmp_path / "a_MA.png", mode), "other": "/nowhere.png"}
    case = LoadMasksd("label", ["HE", "MA"])({"image": torch.zeros(3, 6, 9), "label": label})
    assert isinstance(case["label"], MetaTensor) and case["label"].dtype == torch.uint8
    assert case["label"].meta["filename_or_obj"] == label["MA"]
    np.testing.assert_array_equal(case["label"].numpy(), [np.zeros((6, 9)), TRUTH])


def test_no_mask_at_all_is_nothing():
    label = LoadMasksd("label", ["HE", "MA"])({"image": torch.zeros(3, 4, 5), "label": {}})["label"]
    assert label.shape == (2, 4, 5) and not label.any()


def test_a_label_map_is_taken_apart(tmp_path):
    values = np.uint8([[0, 1, 2], [2, 2, 0]])
    Image.fromarray(values).save(tmp_path / "map.png")
    case = {"image": torch.zeros(3, 2, 3), "label": str(tmp_path / "map.png")}
    np.testing.assert_array_equal(LoadMasksd("label", ["MA", "HE"])(case)["label"], [values == 1, values == 2])
    with pytest.raises(DataError, match=r"map\.png: label 2 of a map for 1 structures"):
        LoadMasksd("label", ["MA"])(case)


def test_masks_that_do_not_fit_are_named(tmp_path):
    load = LoadMasksd("label", ["MA"])
    label = {"MA": saved(tmp_path / "a_MA.png", "L")}
    with pytest.raises(DataError, match=r"a_MA\.png: 9 x 6 pixels, but its image has 6 x 9"):
        load({"image": torch.zeros(3, 9, 6), "label": label})
    Image.fromarray(np.uint8(np.arange(54).reshape(6, 9))).save(tmp_path / "gray.png")
    with pytest.raises(DataError, match=r"gray\.png: .*one other value, this one \[0, 1, 2, 3, 4, 5\] and more"):
        load({"image": torch.zeros(3, 6, 9), "label": {"MA": str(tmp_path / "gray.png")}})
    (tmp_path / "broken.png").write_bytes(b"broken")
    for name in ("broken.png", "gone.png"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read"):
            load({"image": torch.zeros(3, 6, 9), "label": {"MA": str(tmp_path / name)}})


# --- cutting


def centres(mask, count=400, **options):
    """The masks at the centres of patches, and how often each set of structures is there."""
    crop = RandCropStructuresd(["image", "mask"], "mask", (3, 3), num_samples=count, **options).set_random_state(seed=0)
    patches = crop({"image": torch.zeros(3, *mask.shape[1:]), "mask": mask})
    assert all(patch["image"].shape == (3, 3, 3) for patch in patches)
    return torch.stack([patch["mask"][:, 1, 1] for patch in patches]).float()


def test_structures_are_met_equally_often_however_small():
    mask = torch.zeros(3, 40, 40, dtype=torch.uint8)
    mask[0, 5, 5] = 1
    mask[1, 10:30, 10:30] = 1
    mask[2, 20:30, 20:30] = 1  # within the second
    met = centres(mask, background=1.0)
    shares = met.mean(0)
    assert float(shares[0]) == pytest.approx(1 / 4, abs=0.07)
    assert float(shares[2]) == pytest.approx(1 / 4 + 1 / 16, abs=0.07)
    assert float((met.sum(1) == 0).float().mean()) == pytest.approx(1 / 4, abs=0.07)
    assert float((centres(mask, background=0.0).sum(1) == 0).float().mean()) == 0


def test_an_image_with_nothing_or_everything_is_cut_too():
    """MONAI's own transform stops at both."""
    assert centres(torch.zeros(2, 8, 8), background=0.0).sum() == 0
    assert centres(torch.ones(2, 8, 8)).mean() == 1


def test_shares_of_one_image_are_not_those_of_the_next():
    crop = RandCropStructuresd("mask", "mask", (3, 3), background=0.0, num_samples=20)
    crop({"mask": torch.zeros(2, 8, 8)})
    mask = torch.zeros(2, 8, 8)
    mask[1, 4, 4] = 1
    assert all(patch["mask"][1, 1, 1] == 1 for patch in crop({"mask": mask}))


def test_the_seed_gives_the_patches():
    mask = (torch.rand(2, 20, 20) > 0.8).float()
    assert torch.equal(centres(mask), centres(mask))


def test_reading_says_nothing_on_phantoms(tmp_path, caplog):
    from dvpt_monai.phantoms import write_lesions

    folder = write_lesions(tmp_path, num_train=2, num_test=1, size=64)
    with caplog.at_level(logging.WARNING):
        cases = read_masks(folder / "train", ["MA", "HE", "EX", "SE", "OD"])
    assert caplog.text == "" and [len(case["label"]) for case in cases] == [4, 5]
