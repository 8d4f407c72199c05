import csv
import hashlib
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from dvpt_monai import __main__ as command_line
from dvpt_monai.data import MEDMNIST, find_medmnist, medmnist_file, medmnist_folder, read_csv, unpack_medmnist
from dvpt_monai.data.medmnist_sets import md5_of, stem_of
from dvpt_monai.errors import DataError

COUNTS = {"train": 3, "val": 1, "test": 2}


def arrays(shape=(5, 5, 5), labels=1):
    rng = np.random.default_rng(0)
    values = {}
    for split, count in COUNTS.items():
        values[f"{split}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        values[f"{split}_labels"] = rng.integers(0, 3 if labels == 1 else 2, (count, labels), dtype=np.uint8)
    return values


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing on it; `machine / "cache"` is its cache."""
    monkeypatch.delenv("DVPT_DATA", raising=False)
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def file(machine, monkeypatch):
    """A small set in the form of MedMNIST, in a folder of data."""
    path = machine / "data" / "medmnist" / "mymnist3d.npz"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("DVPT_DATA", str(machine / "data"))
    np.savez_compressed(path, **arrays())
    return path


def test_voxels_labels_and_splits_are_those_of_the_file(file, machine):
    folder = unpack_medmnist(file, machine / "out")
    expected = arrays()
    for split, count in COUNTS.items():
        cases = read_csv(folder / "labels.csv", label="label", split=split)
        assert [case["label"] for case in cases] == expected[f"{split}_labels"].flatten().tolist()
        assert len(cases) == count
        for case, volume in zip(cases, expected[f"{split}_images"], strict=True):
            image = nib.load(case["image"])
            assert image.get_data_dtype() == np.uint8 and np.array_equal(image.dataobj, volume)
            assert np.array_equal(image.affine, np.eye(4))
    assert "mymnist3d.npz of MedMNIST v2" in (folder / "SOURCE.txt").read_text()


def test_it_is_found_and_unpacked_into_the_cache_once(file, machine):
    folder = find_medmnist("mymnist3d")
    assert folder == machine / "cache" / "data" / "mymnist3d"
    file.unlink()
    (folder / "labels.csv").write_text("mine")
    assert find_medmnist("mymnist3d") == folder
    assert (folder / "labels.csv").read_text() == "mine"


def test_a_folder_goes_before_the_file(file, machine, monkeypatch):
    monkeypatch.setenv("DVPT_DATA", str(machine / "own"))
    (machine / "own" / "mymnist3d").mkdir(parents=True)
    assert find_medmnist("mymnist3d") == machine / "own" / "mymnist3d"
    assert not (machine / "cache").exists()


@pytest.mark.parametrize("place", ["own/medmnist", "own", "cache/data/medmnist"])
def test_places_of_the_file(machine, monkeypatch, place):
    monkeypatch.setenv("DVPT_DATA", str(machine / "own"))
    with pytest.raises(DataError, match=r"(?s)no data set 'a'.*dvpt_monai medmnist a`.*own.*cache"):
        medmnist_file("a")
    (machine / place).mkdir(parents=True)
    (machine / place / "a.npz").write_bytes(b"")
    assert medmnist_file("a") == machine / place / "a.npz"


def test_another_md5_is_refused(file, machine, monkeypatch):
    known = replace(MEDMNIST["adrenalmnist3d"], md5={28: "0" * 32})
    monkeypatch.setitem(MEDMNIST, "mymnist3d", known)
    with pytest.raises(DataError, match=r"mymnist3d\.npz: md5 .* expected 0000.*medmnist\.com"):
        unpack_medmnist(file)
    assert not (machine / "cache").exists()


def test_an_md5_that_is_not_known_is_told(file, machine, caplog):
    unpack_medmnist(file)
    assert "not checked" in caplog.text


def without(name):
    return {key: value for key, value in arrays().items() if key != name}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (without("val_labels"), "no array 'val_labels'"),
        (
            arrays() | {"test_images": np.zeros((2, 5, 5), np.uint8)},
            "test_images of 2 x .* no images or volumes of one",
        ),
        (arrays() | {"test_images": np.zeros((2, 5, 5, 3), np.uint8)}, "no images or volumes of one size"),
        (arrays() | {f"{split}_images": np.zeros((2, 5), np.uint8) for split in COUNTS}, "no images or volumes"),
        (arrays() | {"val_labels": np.zeros((1, 14), np.uint8)}, r"val_labels of shape \(1, 14\) are not 1 for each"),
        (arrays() | {"val_labels": np.zeros((7, 1), np.uint8)}, "not 1 for each of 1"),
        (arrays() | {"val_images": np.zeros((1, 5, 5, 5), np.uint8, "F")}, "cannot be read"),
        (arrays() | {"val_images": np.array([[[[None]]]])}, "cannot be read"),
        (b"PK\x03\x04 half an archive", "cannot be read"),
        (b"", "cannot be read"),
        (None, "no such file"),
    ],
    ids=["missing", "2D", "colours", "1D", "several", "count", "columns", "objects", "damaged", "empty", "gone"],
)
def test_what_is_no_such_file_leaves_nothing_behind(machine, content, words):
    path = machine / "a.npz"
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content is not None:
        path.write_bytes(content)
    out = machine / "data" / "a"
    with pytest.raises(DataError, match=words):
        unpack_medmnist(path, out)
    assert not out.exists() and (not out.parent.exists() or not any(out.parent.iterdir()))


def test_an_interruption_leaves_nothing_behind(file, machine, monkeypatch):
    saved = []

    def save(image, path):
        saved.append(path)
        if len(saved) == 3:
            raise KeyboardInterrupt
        path.write_bytes(b"")

    monkeypatch.setattr(nib, "save", save)
    with pytest.raises(KeyboardInterrupt):
        unpack_medmnist(file)
    assert len(saved) == 3 and not any((machine / "cache" / "data").iterdir())


def test_another_process_that_was_quicker_wins(file, machine, monkeypatch):
    out = machine / "out"
    save = nib.save

    def save_later(image, path):
        if not out.exists():
            out.mkdir()
            (out / "labels.csv").write_text("theirs")
        save(image, path)

    monkeypatch.setattr(nib, "save", save_later)
    assert unpack_medmnist(file, out) == out
    assert (out / "labels.csv").read_text() == "theirs"
    assert {path.name for path in machine.iterdir()} == {"out", "data"}


def test_never_into_a_folder_of_something_else(file, machine):
    (machine / "out").mkdir()
    (machine / "out" / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="not empty"):
        unpack_medmnist(file, machine / "out")
    assert [path.name for path in (machine / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3)], ids=["gray", "colours"])
def test_pictures_are_pngs(machine, shape):
    np.savez_compressed(machine / "mymnist.npz", **arrays(shape))
    folder = unpack_medmnist(machine / "mymnist.npz")
    expected = arrays(shape)
    for split in COUNTS:
        cases = read_csv(folder / "labels.csv", label="label", split=split)
        assert [case["label"] for case in cases] == expected[f"{split}_labels"].flatten().tolist()
        for case, pixels in zip(cases, expected[f"{split}_images"], strict=True):
            assert case["image"].endswith(".png") and np.array_equal(np.asarray(Image.open(case["image"])), pixels)


def test_several_labels_have_a_column_each(machine, monkeypatch):
    monkeypatch.setitem(MEDMNIST, "chestmnist", replace(MEDMNIST["chestmnist"], md5={28: ""}))
    np.savez(machine / "chestmnist.npz", **arrays((4, 4), labels=14))
    np.savez(machine / "mine.npz", **arrays((4, 4), labels=2))
    monkeypatch.setitem(
        MEDMNIST["chestmnist"].md5, 28, hashlib.md5((machine / "chestmnist.npz").read_bytes()).hexdigest()
    )
    with (unpack_medmnist(machine / "chestmnist.npz") / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert list(rows[0])[:4] == ["image", "split", "atelectasis", "cardiomegaly"] and list(rows[0])[-1] == "hernia"
    assert [int(value) for value in list(rows[0].values())[2:]] == arrays((4, 4), 14)["train_labels"][0].tolist()
    assert (
        (unpack_medmnist(machine / "mine.npz") / "labels.csv").read_text().startswith("image,split,label_0,label_1\n")
    )


def test_retinamnist_has_the_columns_of_the_fundus_bundle(machine, monkeypatch):
    np.savez(machine / "retinamnist_224.npz", **arrays((8, 8, 3)))
    md5 = hashlib.md5((machine / "retinamnist_224.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(MEDMNIST["retinamnist"].md5, 224, md5)
    folder = medmnist_folder(machine / "retinamnist_224.npz", out=machine / "out")
    assert folder == machine / "out" / "retinamnist_224"
    assert len(read_csv(folder / "labels.csv", split="train", num_classes=5)) == 3  # dr_grade is the default


class TestNames:
    def test_all_sets_have_their_sizes_and_hashes(self):
        assert len(MEDMNIST) == 18 and sum(name.endswith("3d") for name in MEDMNIST) == 6
        for name, each in MEDMNIST.items():
            assert list(each.md5) == ([28, 64] if name.endswith("3d") else [28, 64, 128, 224])
            assert all(len(md5) == 32 and int(md5, 16) for md5 in each.md5.values())
        assert len({md5 for each in MEDMNIST.values() for md5 in each.md5.values()}) == 60

    def test_the_hashes_of_two_files(self):
        assert md5_of("adrenalmnist3d_64") == "17721accfe9fb005146a47d33bc54b2f"
        assert md5_of("retinamnist") == "bd4c0672f1bba3e3a89f0e4e876791e4"
        assert md5_of("mine") is md5_of("retinamnist_32") is None

    @pytest.mark.parametrize(
        ("name", "size", "words"),
        [
            ("RetinaMnist", None, "did you mean retinamnist?"),
            ("zebra", None, "there are pathmnist, chestmnist"),
            ("adrenalmnist3d", 224, "adrenalmnist3d has no size 224; choose one of 28, 64"),
            ("retinamnist_33", None, "no size 33"),
            ("retinamnist_64", 224, "the name says another"),
        ],
    )
    def test_wrong_ones_are_refused(self, name, size, words):
        with pytest.raises(DataError, match=words):
            stem_of(name, size)

    def test_a_size_by_the_name_or_beside_it(self):
        assert stem_of("retinamnist_224") == stem_of("retinamnist", 224) == stem_of("retinamnist_224", 224)
        assert stem_of("retinamnist") == stem_of("retinamnist", 28) == "retinamnist"


def test_the_folder_of_what_is_at_hand(file, machine):
    """Ones own files are taken by their names, too."""
    assert medmnist_folder("mymnist3d") == machine / "cache" / "data" / "mymnist3d"


@pytest.mark.parametrize("by", ["path", "name"])
def test_the_command(file, machine, monkeypatch, capsys, by):
    monkeypatch.chdir(machine)
    source = str(file) if by == "path" else "mymnist3d"
    monkeypatch.setattr("sys.argv", ["dvpt_monai", "medmnist", source, "--out", str(machine / "unpacked")])
    command_line.main()
    assert capsys.readouterr().out.strip() == str(machine / "unpacked" / "mymnist3d")
    with (machine / "unpacked" / "mymnist3d" / "labels.csv").open(newline="") as table:
        assert [row["split"] for row in csv.DictReader(table)] == ["train"] * 3 + ["val"] + ["test"] * 2


@pytest.mark.slow
def test_the_real_file(real_data):
    adrenal_dir = real_data("adrenalmnist3d_64")
    counts = {}
    for split in COUNTS:
        labels = [case["label"] for case in read_csv(adrenal_dir / "labels.csv", label="label", split=split)]
        counts[split] = (len(labels), sum(labels))
    assert counts == {"train": (1188, 259), "val": (98, 22), "test": (298, 69)}
