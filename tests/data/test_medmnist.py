import csv

import nibabel as nib
import numpy as np
import pytest

from dvpt_monai import __main__ as command_line
from dvpt_monai.data import find_medmnist, medmnist, medmnist_file, read_csv, unpack_medmnist
from dvpt_monai.errors import DataError

COUNTS = {"train": 3, "val": 1, "test": 2}


def arrays(size=5):
    rng = np.random.default_rng(0)
    values = {}
    for split, count in COUNTS.items():
        values[f"{split}_images"] = rng.integers(0, 256, (count, size, size, size), dtype=np.uint8)
        values[f"{split}_labels"] = rng.integers(0, 3, (count, 1), dtype=np.uint8)
    return values


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing on it; `machine / "cache"` is its cache."""
    monkeypatch.delenv("DVPT_DATA", raising=False)
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def file(machine):
    """A small set in the form of MedMNIST, in the folder of data beside a project."""
    path = machine / "shared" / "data" / "medmnist" / "mymnist3d.npz"
    path.parent.mkdir(parents=True)
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
    folder = find_medmnist("mymnist3d", start=machine / "project")
    assert folder == machine / "cache" / "data" / "mymnist3d"
    file.unlink()
    (folder / "labels.csv").write_text("mine")
    assert find_medmnist("mymnist3d", start=machine / "project") == folder
    assert (folder / "labels.csv").read_text() == "mine"


def test_a_folder_goes_before_the_file(file, machine, monkeypatch):
    monkeypatch.setenv("DVPT_DATA", str(machine / "own"))
    (machine / "own" / "mymnist3d").mkdir(parents=True)
    assert find_medmnist("mymnist3d", start=machine / "project") == machine / "own" / "mymnist3d"
    assert not (machine / "cache").exists()


@pytest.mark.parametrize("place", ["own/medmnist", "own", "shared/data/medmnist", "shared/data", "cache/data/medmnist"])
def test_places_of_the_file(machine, monkeypatch, place):
    monkeypatch.setenv("DVPT_DATA", str(machine / "own"))
    with pytest.raises(DataError, match=r"(?s)no data set 'a'.*medmnist\.com.*own.*cache"):
        medmnist_file("a", start=machine)
    (machine / place).mkdir(parents=True)
    (machine / place / "a.npz").write_bytes(b"")
    assert medmnist_file("a", start=machine) == machine / place / "a.npz"


def test_another_md5_is_refused(file, machine, monkeypatch):
    monkeypatch.setitem(medmnist._MD5, file.name, "0" * 32)
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
        (arrays() | {"test_images": np.zeros((2, 5, 5), np.uint8)}, "no volumes"),
        (arrays() | {"test_images": np.zeros((2, 5, 5, 3), np.uint8)}, "no volumes"),
        (arrays() | {"val_labels": np.zeros((1, 14), np.uint8)}, "not one label"),
        (arrays() | {"val_labels": np.zeros((7, 1), np.uint8)}, "not one label"),
        (b"PK\x03\x04 half an archive", "cannot be read"),
        (b"", "cannot be read"),
        (None, "no such file"),
    ],
    ids=["missing", "2D", "colours", "several", "count", "damaged", "empty", "gone"],
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
    assert {path.name for path in machine.iterdir()} == {"out", "shared"}


def test_never_into_a_folder_of_something_else(file, machine):
    (machine / "out").mkdir()
    (machine / "out" / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="not empty"):
        unpack_medmnist(file, machine / "out")
    assert [path.name for path in (machine / "out").iterdir()] == ["mine.txt"]


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
