"""Channels in files of their own are found by the ends of their names."""

from pathlib import Path

import pytest

from dvpt_monai.bundle import find_channels
from dvpt_monai.errors import DataError
from dvpt_monai.transforms import LoadImaged


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def found(*arguments):
    return [[Path(path).name for path in case["image"]] for case in find_channels(*arguments)]


def test_files_of_nn_u_net(tmp_path):
    write(tmp_path, *(f"c{i}_{channel:04}.nii.gz" for i in range(2) for channel in range(2)), "c0.nii.gz", "a.txt")
    assert found(tmp_path, ["0000", "0001"], [".nii.gz"]) == [
        [f"c{i}_{c:04}.nii.gz" for c in range(2)] for i in range(2)
    ]


def test_folders_of_cases(tmp_path):
    names = ("t1", "t1ce", "seg")
    write(tmp_path, *(f"p{i}/p{i}_{name}.nii" for i in range(2) for name in names), "q/T1.nii", "q/t1ce.nii")
    expected = [["p0_t1ce.nii", "p0_t1.nii"], ["p1_t1ce.nii", "p1_t1.nii"], ["t1ce.nii", "T1.nii"]]
    assert found(tmp_path, ["t1ce", "t1"], [".nii"]) == expected


def test_a_case_that_lacks_a_channel(tmp_path):
    """It is listed with the file that is not there, so that it fails alone."""
    write(tmp_path, "a_t1.nii", "a_t2.nii", "b_t2.nii.gz")
    a, b = (case["image"] for case in find_channels(tmp_path, ["t1", "t2"], [".nii", ".nii.gz"]))
    assert [Path(path).name for path in (*a, *b)] == ["a_t1.nii", "a_t2.nii", "b_t1.nii.gz", "b_t2.nii.gz"]
    with pytest.raises(DataError, match=r"b_t1\.nii\.gz'?: no such file"):
        LoadImaged("image")({"image": b})


def test_what_holds_none(tmp_path):
    with pytest.raises(DataError, match="no files whose names end in t1"):
        find_channels(write(tmp_path, "a.nii"), ["t1"], [".nii"])
    with pytest.raises(DataError, match="no folder"):
        find_channels(tmp_path / "a.nii", ["t1"], [".nii"])
