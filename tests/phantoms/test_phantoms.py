from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from dvpt_monai.data import read_csv, read_decathlon
from dvpt_monai.errors import DataError
from dvpt_monai.phantoms import (
    draw_adrenal,
    draw_fundus,
    draw_hippocampus,
    draw_lesions,
    is_phantom,
    write_adrenal,
    write_fundus,
    write_hippocampus,
    write_lesions,
    write_medfmc,
)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    return write_fundus(tmp_path_factory.mktemp("eyes"), num_train=10, num_test=5, size=64)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return write_hippocampus(tmp_path_factory.mktemp("volumes"), num=3)


def test_fundus_folder_reads_like_the_real_one(eyes):
    train = read_csv(eyes / "labels.csv", num_classes=5, split="train")
    test = read_csv(eyes / "labels.csv", num_classes=5, split="test")
    assert sorted(case["label"] for case in train) == sorted(2 * [0, 1, 2, 3, 4])
    assert sorted(case["label"] for case in test) == [0, 1, 2, 3, 4]
    for case in read_csv(eyes / "labels.csv", label="dme_risk", num_classes=3):
        with Image.open(case["image"]) as image:
            assert (image.size, image.mode, image.format) == ((64, 64), "RGB", "JPEG")


def test_fundus_has_the_columns_of_the_real_one(eyes, fundus_dir):
    header, *_ = (eyes / "labels.csv").read_text().splitlines()
    assert header == (fundus_dir / "labels.csv").read_text().splitlines()[0]


def test_hippocampus_folder_reads_like_the_real_one(volumes):
    cases = read_decathlon(volumes / "dataset.json", num_classes=3)
    assert len(cases) == 3
    for case in cases:
        image, label = nib.load(case["image"]), nib.load(case["label"])
        assert image.shape == label.shape
        assert image.header.get_zooms() == (1, 1, 1)
        assert np.unique(label.dataobj).tolist() == [0, 1, 2]


def test_adrenal_folder_reads_like_the_unpacked_one(tmp_path):
    folder = write_adrenal(tmp_path / "glands", num_train=4, num_val=2, num_test=3, size=16)
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        cases = read_csv(folder / "labels.csv", label="label", num_classes=2, split=split)
        assert [case["label"] for case in cases] == [(number + 1) % 2 for number in range(count)]
        for case in cases:
            image = nib.load(case["image"])
            assert image.shape == (16, 16, 16) and image.get_data_dtype() == np.uint8
            assert np.unique(image.dataobj).tolist() == [0, 255]
    assert is_phantom(folder) and "no patient" in (folder / "PHANTOM.txt").read_text()


def test_hyperplasia_is_thicker_in_the_same_gland():
    for seed in range(6):
        normal, thick = (draw_adrenal(label, 40, seed) > 0 for label in (0, 1))
        assert 0.005 < normal.mean() < 0.05  # as in the real ones, whose mean is 0.018
        assert thick.sum() > 1.3 * normal.sum() and thick[normal].mean() > 0.95
        assert not any(thick.take(end, axis).any() for axis in range(3) for end in (0, -1))  # the volume holds it


SIZES = {
    write_adrenal: {"num_train": 1, "num_val": 1, "num_test": 0, "size": 16},
    write_fundus: {"num_train": 2, "num_test": 0, "size": 32},
    write_hippocampus: {"num": 1},
    write_lesions: {"num_train": 2, "num_test": 0, "size": 32},
    write_medfmc: {"num_train": 20, "num_test": 1, "size": 32},
}


@pytest.mark.parametrize("write", SIZES)
def test_the_same_arguments_write_the_same_bytes(write, tmp_path):
    sizes = SIZES[write]
    first = contents(write(tmp_path / "a", **sizes))
    assert contents(write(tmp_path / "b", **sizes)) == first
    other = contents(write(tmp_path / "c", **sizes, seed=1))
    assert {path for path in first if path.suffix in (".jpg", ".gz", ".png")} <= {
        p for p in other if other[p] != first[p]
    }


def test_a_complete_folder_is_left_alone_and_others_are_completed(tmp_path):
    folder = write_hippocampus(tmp_path, num=2)
    before = contents(folder)
    image = folder / "imagesTr" / "hippocampus_phantom_002.nii.gz"
    image.write_bytes(b"touched")
    write_hippocampus(folder, num=2)
    assert image.read_bytes() == b"touched"
    (folder / "dataset.json").unlink()  # as after an interruption
    write_hippocampus(folder, num=2)
    assert contents(folder) == before
    write_hippocampus(folder, num=1)
    assert len(read_decathlon(folder / "dataset.json")) == 1
    assert not image.exists()


def test_phantoms_say_so(eyes, volumes, tmp_path):
    for folder in (eyes, volumes):
        assert is_phantom(folder)
        assert is_phantom(str(folder))
        assert "no patient" in (folder / "PHANTOM.txt").read_text()
    assert not is_phantom(tmp_path)
    assert not is_phantom(tmp_path / "gone")


def test_real_data_is_no_phantom(fundus_dir):
    assert not is_phantom(fundus_dir)


@pytest.mark.parametrize("write", SIZES)
def test_never_writes_into_a_folder_of_something_else(write, tmp_path):
    (tmp_path / "labels.csv").write_text("precious")
    with pytest.raises(DataError, match="not empty, and no phantoms"):
        write(tmp_path)
    assert contents(tmp_path) == {(tmp_path / "labels.csv").relative_to(tmp_path): b"precious"}


def test_arguments_out_of_range(tmp_path):
    for arguments in ({"num_train": 0}, {"num_test": -1}, {"size": 8}):
        for write in (write_fundus, write_lesions):
            with pytest.raises(DataError, match=write.__name__):
                write(tmp_path / "new", **arguments)
    with pytest.raises(DataError, match="write_hippocampus"):
        write_hippocampus(tmp_path / "new", num=0)
    for arguments in ({"num_train": 19}, {"num_test": 0}, {"size": 8}):
        with pytest.raises(DataError, match="write_medfmc"):
            write_medfmc(tmp_path / "new", **arguments)
    with pytest.raises(DataError, match="eyes"):
        write_medfmc(tmp_path / "new", "eyes")
    for arguments in ({"num_train": 0}, {"num_val": -1}, {"size": 8}):
        with pytest.raises(DataError, match="write_adrenal"):
            write_adrenal(tmp_path / "new", **arguments)
    with pytest.raises(DataError, match="label=2"):
        draw_adrenal(2)
    with pytest.raises(DataError, match="grade=5"):
        draw_fundus(5)
    assert not (tmp_path / "new").exists()


def test_lesions_grow_with_the_grade():
    """In the same eye, more of the retina differs from the healthy one with each grade."""
    for seed in range(4):
        healthy = draw_fundus(0, 128, seed)[0].astype(int)
        changed = [(np.abs(draw_fundus(grade, 128, seed)[0] - healthy).max(2) > 12).sum() for grade in range(5)]
        assert changed[0] == 0
        assert changed[1] >= 10  # a few dots, still to be seen at 128 pixels
        assert all(more > 1.5 * less for less, more in pairwise(changed)), changed


def test_another_size_is_the_same_eye():
    small = draw_fundus(3, 64, seed=5)[0].astype(float)
    large = draw_fundus(3, 128, seed=5)[0].astype(float).reshape(64, 2, 64, 2, 3).mean((1, 3))
    other = draw_fundus(3, 64, seed=6)[0].astype(float)
    assert np.abs(small - large).mean() < 6 < np.abs(small - other).mean()


def test_fundus_photographs_look_like_some():
    image, risk = draw_fundus(0, 128, seed=2)
    assert risk == 0
    assert image[:8, :8].max() < 30  # black around the field
    red, green, blue = image[40:90, 40:90].reshape(-1, 3).mean(0)
    assert red > green > blue
    assert image[..., 1].max() > 1.8 * green  # the disc
    assert draw_fundus(4, 128, seed=2)[1] > 0


def test_structures_touch_and_differ_from_what_is_around():
    for seed in range(3):
        image, label = draw_hippocampus(seed)
        anterior, posterior = (np.argwhere(label == k) for k in (1, 2))
        assert anterior[:, 1].mean() > posterior[:, 1].mean() + 10  # in front
        touching = (label[:, :-1] * label[:, 1:] == 2).sum()  # 1 beside 2 along y
        assert touching > 20
        for k in (1, 2):
            assert 700 < (label == k).sum() < 3500
        assert np.isfinite(image).all()
        assert image.min() >= 0
        inside, outside = image[label > 0].mean(), image[label == 0].mean()
        assert inside < 0.9 * outside  # gray matter in white


def test_lesions_are_painted_where_their_masks_are():
    """The image is that of the grade; masks cover what differs from the healthy eye, and little else."""
    for seed in range(3):
        image, masks = draw_lesions(3, 192, seed)
        np.testing.assert_array_equal(image, draw_fundus(3, 192, seed)[0])
        healthy, disc = draw_lesions(0, 192, seed)
        assert list(disc) == ["OD"] and sorted(masks) == ["EX", "HE", "MA", "OD", "SE"]
        changed = np.abs(image.astype(int) - healthy).max(2) > 40
        lesions = np.logical_or.reduce([masks[name] for name in ("MA", "HE", "EX", "SE")])
        assert lesions[changed].mean() > 0.7
        assert changed[~lesions].mean() < 0.02
        lighter = image.astype(int) - healthy
        assert lighter[masks["EX"]].mean() > 10 > -10 > lighter[masks["HE"] & ~masks["EX"]].mean()
        np.testing.assert_array_equal(masks["OD"], disc["OD"])
        assert image[masks["OD"]].mean() > 1.3 * image[image[..., 0] > 60].mean()


def test_lesion_folder_is_like_the_real_one(tmp_path, real_data):
    """Names, modes and values; soft exudates are missing in some images."""
    folder = write_lesions(tmp_path, num_train=2, num_test=1, size=64)
    for home in (folder, real_data("idrid_lesions")):
        assert {path.name for path in home.iterdir() if path.is_dir()} == {"train", "test"}
        images = {path.stem for path in (home / "train" / "images").iterdir() if path.suffix == ".jpg"}
        names = [path.stem.rpartition("_") for path in (home / "train" / "masks").glob("*.png")]
        assert {name for name, _, _ in names} == images
        assert {lesion for _, _, lesion in names} == {"MA", "HE", "EX", "SE", "OD"}
        assert len([lesion for _, _, lesion in names if lesion == "SE"]) < len(images)
        with Image.open(next((home / "train" / "masks").glob("*_EX.png"))) as mask:
            assert mask.mode == "L" and set(np.unique(mask)) == {0, 255}
    assert is_phantom(folder)
    write_lesions(tmp_path, num_train=1, num_test=0, size=64)
    assert len(list((folder / "train" / "masks").iterdir())) == 4 and not list((folder / "test" / "images").iterdir())
