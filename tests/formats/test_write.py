import os

import numpy as np
import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.formats import OUTPUTS, output_paths, read, read_segmentation, smallest, write_labels

AFFINE = np.diag([0.5, 2, 3, 1.0])
LABELS = np.zeros((3, 4, 5), np.int64)
LABELS[1, 1, 1], LABELS[2, 2, 2] = 1, 2


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0, 0, np.uint8),
        (0, 255, np.uint8),
        (0, 256, np.uint16),
        (0, 65536, np.uint32),
        (-1, 127, np.int8),
        (-1, 128, np.int16),
        (-1, 2**31 - 1, np.int32),
    ],
)
def test_labels_get_the_smallest_type_that_holds_them(low, high, kind):
    for given in (np.int64, np.float64):
        labels = smallest(np.array([low, high], given), "a")
        assert labels.dtype == kind and labels.tolist() == [low, high]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.5, 2.0**40])
def test_labels_that_are_none_are_refused(wrong):
    with pytest.raises(DataError, match="a: labels"):
        smallest(np.array([0, wrong]), "a")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("highest", [2, 300, 70000, -3])
def test_every_format_of_volumes_keeps_labels_and_place(tmp_path, name, highest):
    labels = np.where(LABELS == 2, highest, LABELS)
    write_labels(tmp_path / name, labels, AFFINE, "a.nii")
    image = read(tmp_path / name)
    assert np.array_equal(image.array, labels) and image.array.dtype == smallest(labels, "").dtype
    np.testing.assert_allclose(image.affine, AFFINE)
    assert os.listdir(tmp_path) == [name]


def test_named_formats_keep_names_and_numbers(tmp_path):
    write_labels(tmp_path / "a.seg.nrrd", LABELS * 300, AFFINE, "a.nrrd", {"liver": 300, "tumour": 600})
    assert read_segmentation(tmp_path / "a.seg.nrrd").values == {"liver": 300, "tumour": 600}
    assert np.array_equal(read(tmp_path / "a.seg.nrrd").array, LABELS * 300)
    write_labels(tmp_path / "b.seg.nrrd", LABELS, AFFINE, "a.nrrd")
    assert list(read_segmentation(tmp_path / "b.seg.nrrd").masks) == ["1", "2"]


def test_pictures_are_png_and_nothing_else(tmp_path):
    write_labels(tmp_path / "a.png", LABELS[:, :, 1], None, "a.jpg")
    assert np.array_equal(read(tmp_path / "a.png").array, LABELS[:, :, 1])
    with pytest.raises(DataError, match="write them as PNG"):
        write_labels(tmp_path / "a.mha", LABELS[:, :, 1], None, "a.jpg")
    with pytest.raises(DataError, match="labels are written as"):
        write_labels(tmp_path / "a.jpg", LABELS[:, :, 1], AFFINE, "a.jpg")
    assert os.listdir(tmp_path) == ["a.png"]


def names(sources, **settings):
    return [path.as_posix() for path in output_paths(sources, "out", **settings).values()]


def test_outputs_are_named_after_their_images():
    sources = ["d/a.nii", "d/b.nii.gz", "d/c.nrrd", "d/e.mha", "d/f.jpg", "d/g.seg.nrrd"]
    suffixes = [".nii", ".nii.gz", ".seg.nrrd", ".mha", ".png", ".seg.nrrd"]
    assert names(sources) == [f"out/{n}_seg{s}" for n, s in zip("abcefg", suffixes, strict=True)]
    for output_format, suffix in OUTPUTS.items():
        assert names(["d/a.b.c.nii.gz"], output_format=output_format) == [f"out/a.b.c_seg{suffix}"]
    with pytest.raises(DataError, match="did you mean 'seg-nrrd'"):
        names(sources, output_format="seg.nrrd")


def test_images_of_one_name_keep_what_tells_them_apart():
    bids = ["bids/sub-1/anat/T1w.nii.gz", "bids/sub-2/anat/T1w.nii.gz", "bids/sub-2/anat/t1w.nii.gz", "x/y.nii.gz"]
    assert names(bids[:2] + bids[3:]) == [
        "out/sub-1/anat/T1w_seg.nii.gz",
        "out/sub-2/anat/T1w_seg.nii.gz",
        "out/y_seg.nii.gz",
    ]
    assert names(["d/x.nii", "d/x.nii.gz"]) == ["out/x_seg.nii", "out/x_seg.nii.gz"]
    with pytest.raises(DataError, match=r"T1w\.nii\.gz and .*t1w\.nii\.gz would both be written"):
        names(bids)
    for pair in (["d/x.png", "d/x.jpg"], ["d/x.nrrd", "d/x.seg.nrrd"]):
        with pytest.raises(DataError, match=r"would both be written to out/x_seg\.(png|seg\.nrrd); rename one"):
            names(pair)


def test_images_of_a_folder_that_was_searched_keep_their_path_in_it(tmp_path):
    top = tmp_path / "in"
    sources = [top / "a.png", top / "p1" / "a.png", top / "p1" / "b.png", tmp_path / "elsewhere" / "c.png"]
    assert names(sources, root=top) == ["out/a_seg.png", "out/p1/a_seg.png", "out/p1/b_seg.png", "out/c_seg.png"]
    assert names(sources[2:]) == ["out/b_seg.png", "out/c_seg.png"]  # of a list
    (top / "ct").mkdir(parents=True)
    assert names([top / "ct"], root=top / "ct") == ["out/ct_seg.seg.nrrd"]  # a series that was given itself
    with pytest.raises(DataError, match=r"would both be written to out/p1/a_seg\.png"):
        names([*sources, top / "p1" / "a.jpg"], root=top)


def test_no_output_takes_the_place_of_an_image_or_is_predicted_itself():
    with pytest.raises(DataError, match=r"out/x_seg\.nii\.gz is to be predicted itself, and what in/x\.nii\.gz gives"):
        names(["in/x.nii.gz", "out/x_seg.nii.gz"])
    for folder in ("in", "out"):
        with pytest.raises(DataError, match=r"x_seg\.nii\.gz is named as what .*x\.nii\.gz gives"):
            names([f"{folder}/x.nii.gz", f"{folder}/x_seg.nii.gz"])
    assert names(["in/x.nii.gz", "in/y_seg.nii.gz"]) == ["out/x_seg.nii.gz", "out/y_seg_seg.nii.gz"]
