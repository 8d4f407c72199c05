import sys

import numpy as np
import pytest

from dvpt_monai.errors import DataError
from dvpt_monai.formats import format_of, into_grid, read, read_segmentation
from dvpt_monai.formats.dicom_seg import write_dicom_seg
from tests.formats.test_series import OBLIQUE, VOXELS, series

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

LABELS = np.zeros(VOXELS.shape, np.uint8)
LABELS[1:3, 1:4, 2:4], LABELS[0, 4, 3] = 1, 2


def study(folder):
    """A series with the attributes that a DICOM SEG takes over from its images."""
    series(folder, OBLIQUE)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", "1.2.3.7"
        for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber"):
            setattr(dataset, name, "")
        dataset.StudyDate = dataset.StudyTime = dataset.ReferringPhysicianName = ""
        dataset.save_as(path)
    return folder


def test_positions_count_where_the_header_has_another_spacing(tmp_path):
    folder = study(tmp_path / "ct")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SpacingBetweenSlices = 0.25
        dataset.save_as(path)
    write_dicom_seg(tmp_path / "a.dcm", LABELS, folder, ["liver", "tumour"])
    image, seg = read(folder), read_segmentation(tmp_path / "a.dcm")
    mask = seg.label_map(["liver", "tumour"])[None]
    np.testing.assert_array_equal(into_grid(mask, seg.affine, image.affine, image.shape, cropped=True)[0], LABELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return study(tmp_path_factory.mktemp("dicom") / "ct")


def test_what_is_written_refers_to_its_series_and_lies_on_it(tmp_path, folder):
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, LABELS, folder, ["liver", "tumour"])
    by_highdicom = highdicom.seg.segread(path)
    assert [by_highdicom.get_segment_description(n).segment_label for n in (1, 2)] == ["liver", "tumour"]
    images = {pydicom.dcmread(file).SOPInstanceUID for file in folder.iterdir()}
    assert {uids[2] for uids in by_highdicom.get_source_image_uids()} <= images
    volume = by_highdicom.get_volume(combine_segments=True)
    assert sorted(np.unique(volume.array)) == [0, 1, 2] and (volume.array == 1).sum() == (LABELS == 1).sum()

    assert format_of(path) == "dicom-seg" and format_of(next(folder.iterdir())) == "dicom"
    image, seg = read(folder), read_segmentation(path)
    assert seg.values == {"liver": 1, "tumour": 2}
    mask = seg.label_map(["liver", "tumour"])[None]
    np.testing.assert_array_equal(into_grid(mask, seg.affine, image.affine, image.shape, cropped=True)[0], LABELS)


def test_overlapping_and_empty_structures(tmp_path, folder):
    both = np.stack([LABELS > 0, LABELS == 2, LABELS == 3], axis=-1)
    write_dicom_seg(tmp_path / "a.dcm", both, folder, ["liver", "tumour", "cyst"])
    seg, image = read_segmentation(tmp_path / "a.dcm"), read(folder)
    channels = seg.channels(["liver", "tumour", "cyst"]).transpose(3, 0, 1, 2)
    fitted = into_grid(channels, seg.affine, image.affine, image.shape, cropped=True)
    np.testing.assert_array_equal(fitted.transpose(1, 2, 3, 0), both)
    write_dicom_seg(tmp_path / "b.dcm", np.zeros_like(LABELS), folder, ["liver"])
    assert not read(tmp_path / "b.dcm", structures=["liver"]).array.any()


def test_labels_of_another_shape_are_refused(tmp_path, folder):
    with pytest.raises(DataError, match=r"labels of shape \(3, 5, 6\) for a series of \(4, 5, 6\)"):
        write_dicom_seg(tmp_path / "a.dcm", LABELS[:3], folder, ["liver"])


def test_pydicoms_own_segmentation_is_read():
    path = pydicom.data.get_testdata_file("liver_1frame.dcm", download=False)
    seg = read_segmentation(path)
    assert list(seg.masks) == ["Liver"] and seg.masks["Liver"].any()
    pixels = pydicom.dcmread(path).pixel_array
    assert seg.masks["Liver"].sum() == pixels.sum()


def test_without_the_extra_the_error_names_it(tmp_path, folder, monkeypatch):
    write_dicom_seg(tmp_path / "a.dcm", LABELS, folder, ["liver", "tumour"])
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(DataError, match=r"a\.dcm: DICOM SEG needs the extra: pip install 'dvpt_monai\[dicom\]'"):
        read(tmp_path / "a.dcm")
    assert read(folder).shape == LABELS.shape


@pytest.mark.parametrize(
    "name",
    ["FrameOfReferenceUID", "SegmentSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"],
)
def test_what_a_segmentation_lacks_is_named_with_the_remedy(tmp_path, folder, name):
    write_dicom_seg(tmp_path / "a.dcm", LABELS, folder, ["liver", "tumour"])
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset[name]
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(DataError, match=rf"a\.dcm: .*it has no {name}.*; export it again from the series"):
        read_segmentation(tmp_path / "a.dcm")


def test_references_to_the_images_may_be_missing(tmp_path, folder):
    """Where it lies is known without them."""
    write_dicom_seg(tmp_path / "a.dcm", LABELS, folder, ["liver", "tumour"])
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset.ReferencedSeriesSequence
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    dataset.save_as(tmp_path / "b.dcm")
    assert (read(tmp_path / "b.dcm").array == read(tmp_path / "a.dcm").array).all()


def test_a_series_to_which_nothing_can_refer(tmp_path):
    place = study(tmp_path / "ct")
    write_dicom_seg(tmp_path / "a.dcm", LABELS, place, ["liver", "tumour"])
    for path in place.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.FrameOfReferenceUID
        dataset.save_as(path)
    with pytest.raises(DataError, match=r"ct: its files have no FrameOfReferenceUID.*--output-format seg-nrrd"):
        write_dicom_seg(tmp_path / "b.dcm", LABELS, place, ["liver", "tumour"])


def test_segmentations_among_the_slices_are_none_of_the_series(tmp_path):
    place = study(tmp_path / "ct")
    before = read(place)
    write_dicom_seg(place / "000.dcm", LABELS, place, ["liver", "tumour"])
    assert (read(place).array == before.array).all()
