"""Which files of a folder are images."""

from pathlib import Path

import pytest

from dvpt_monai.bundle import find_images
from dvpt_monai.errors import DataError
from tests.formats.test_series import series

VOLUMES = [".nii.gz", ".nii", ".nrrd", ".dcm"]


def names(folder, suffixes=VOLUMES, **options):
    cases = find_images(folder, suffixes, **options)
    return [Path(case["image"]).relative_to(folder).as_posix() for case in cases]


def touch(folder, *given):
    for name in given:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_masks_and_outputs_beside_their_images_are_none(tmp_path):
    touch(tmp_path, "p1.png", "p1_mask.png", "p1_MA.png", "P2.png", "p2-seg.png", "p3_label.png", "._p1.png", "p4.txt")
    assert names(tmp_path, [".png"], masks=["MA"]) == ["P2.png", "p1.png", "p3_label.png"]
    assert "p1_MA.png" in names(tmp_path, [".png"])  # of another bundle's structures nobody knows


def test_folders_below_are_searched_and_masks_and_predictions_in_them_are_none(tmp_path):
    touch(tmp_path, "a.png", "p1/a.png", "p1/deep/b.png", "p1/.hidden/c.png", "p1/notes.txt")
    touch(tmp_path, "p1/masks/a.png", "drawn/b_mask.png", "drawn/b_EX.png", "drawn/b_mask_1.png", "out/a_seg.png")
    assert names(tmp_path, [".png"], masks=["EX"]) == ["a.png", "p1/a.png", "p1/deep/b.png"]
    touch(tmp_path, "images/x.png", "labels/y.png", "old/cases.jsonl", "old/figure.png", "old/p1/figure.png")
    assert names(tmp_path, [".png"], masks=["EX"]) == ["a.png", "images/x.png", "p1/a.png", "p1/deep/b.png"]
    assert names(tmp_path / "old", [".png"]) == ["figure.png", "p1/figure.png"]  # who asks for them has them
    assert names(tmp_path / "labels", [".png"]) == ["y.png"]


def test_the_mask_in_the_folder_of_a_case_is_none(tmp_path):
    """As KiTS and BraTS have them."""
    touch(tmp_path, "case_0/imaging.nii.gz", "case_0/segmentation.nii.gz", "BraTS-1/BraTS-1_t1.nii.gz")
    touch(tmp_path, "BraTS-1/BraTS-1_seg.nii.gz", "c/ct.nii", "c/Mask.nrrd", "alone/mask.nii.gz")
    assert names(tmp_path) == ["BraTS-1/BraTS-1_t1.nii.gz", "alone/mask.nii.gz", "c/ct.nii", "case_0/imaging.nii.gz"]
    touch(tmp_path, "photographs/label.jpg", "photographs/other.jpg")
    assert len(names(tmp_path / "photographs", [".jpg"])) == 2


def test_a_disc_of_dicom_and_links_that_lead_nowhere(tmp_path, caplog):
    series(tmp_path / "PAT0" / "ST0" / "SE0")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "gone.nii").symlink_to(tmp_path / "nowhere.nii")
    assert names(tmp_path, series=True) == ["PAT0/ST0/SE0"]
    assert "1 links lead nowhere, the first is" in caplog.text and "gone.nii" in caplog.text


def test_a_class_that_is_called_mask_is_predicted(tmp_path):
    touch(tmp_path, "mask/1.jpg", "none/1.jpg", "labels/7.png")
    assert names(tmp_path, [".png", ".jpg"]) == ["labels/7.png", "mask/1.jpg", "none/1.jpg"]


def test_a_series_beside_its_segmentations(tmp_path):
    for name in ("p1/ct", "p2"):
        series(tmp_path / name)
    touch(tmp_path, "p1/tumour.seg.nrrd", "p2/tumour.seg.nrrd", "p3/x.nii", "p3/x_seg.nii.gz", "p3/ct_mask.nii.gz")
    assert names(tmp_path, series=True) == ["p3/x.nii", "p1/ct", "p2"]


def test_outputs_of_volumes_are_none(tmp_path):
    touch(tmp_path, "a.nii.gz", "a_seg.nii.gz", "b.nrrd", "b_seg.seg.nrrd", "alone.seg.nrrd", "c_seg.nii")
    assert names(tmp_path) == ["a.nii.gz", "b.nrrd", "c_seg.nii"]


def test_series_are_folders_or_files_single_images(tmp_path):
    for name in ("ct", "study/mr", ".hidden/x"):
        series(tmp_path / name)
    touch(tmp_path, "a.nii", "study/notes.txt")
    assert names(tmp_path, series=True) == ["a.nii", "ct", "study/mr"]
    assert find_images(tmp_path / "ct", VOLUMES, series=True) == [{"image": str(tmp_path / "ct")}]
    listed = find_images([tmp_path / "ct", tmp_path / "a.nii"], VOLUMES, series=True)
    assert [Path(case["image"]).name for case in listed] == ["ct", "a.nii"]
    assert len(names(tmp_path / "ct", [".png", ".dcm"])) == len(list((tmp_path / "ct").iterdir()))
    with pytest.raises(DataError, match="no file"):
        find_images([tmp_path / "ct"], VOLUMES)


def test_single_files_of_dicom_need_no_suffix(tmp_path):
    folder = series(tmp_path / "ct")
    first = sorted(folder.iterdir())[0]
    first.rename(folder / "IM0001")
    assert "IM0001" in names(folder, [".png", ".dcm"])
    with pytest.raises(DataError, match="no images here"):
        names(folder, [".png"])
