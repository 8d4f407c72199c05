import numpy as np
import pytest
import SimpleITK as sitk

from dvpt_monai.errors import DataError
from dvpt_monai.formats import read, read_segmentation
from dvpt_monai.formats.seg_nrrd import write_seg_nrrd

AFFINE = np.array([[-0.5, 0, 0, 10], [0, -2.0, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])
LABELS = np.zeros((4, 5, 6), np.uint8)
LABELS[1, 1, 1:3], LABELS[2, 2, 2] = 1, 2


@pytest.fixture
def segments(tmp_path):
    write_seg_nrrd(tmp_path / "a.seg.nrrd", LABELS, AFFINE, ["liver", "tumour"])
    return tmp_path / "a.seg.nrrd"


def test_what_is_written_is_read_back_by_name(segments):
    segmentation = read_segmentation(segments)
    assert list(segmentation.masks) == ["liver", "tumour"] and segmentation.values == {"liver": 1, "tumour": 2}
    assert np.array_equal(segmentation.label_map(["tumour", "liver"]), np.uint8([0, 2, 1])[LABELS])
    assert segmentation.colours["liver"] == pytest.approx((0.5, 0.68, 0.5))
    np.testing.assert_allclose(segmentation.affine, AFFINE)
    assert np.array_equal(read(segments).array, LABELS)
    assert np.array_equal(read(segments, structures=["tumour"]).array, LABELS == 2)


def test_simpleitk_reads_the_same_with_the_fields_of_slicer(segments):
    image = sitk.ReadImage(segments)
    assert np.array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), LABELS)
    assert image.GetMetaData("Segment1_Name") == "tumour" and image.GetMetaData("Segment1_LabelValue") == "2"
    assert image.GetMetaData("Segmentation_MasterRepresentation") == "Binary labelmap"
    assert image.GetSpacing() == (0.5, 2, 3) and image.GetOrigin() == (-10, -20, -30)


def test_overlapping_segments_are_layers(tmp_path):
    both = np.stack([LABELS > 0, LABELS == 2], axis=-1).astype(np.uint8)
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, both, AFFINE, ["liver", "tumour"])
    image = read(path, structures=["liver", "tumour"], overlapping=True)
    assert image.channels and np.array_equal(image.array, both)
    np.testing.assert_allclose(image.affine, AFFINE)
    with pytest.raises(DataError, match=r"a\.seg\.nrrd: liver and tumour overlap in 1 voxels"):
        read(path, structures=["liver", "tumour"])
    assert np.array_equal(read(path, structures=["tumour"]).array, both[..., 1])


def test_labels_of_one_layer_that_slicer_shares_and_numbers_as_it_likes(tmp_path):
    """Two segments in the first layer, one in the second, as 3D Slicer stores them."""
    layers = np.zeros((2, 6, 5, 4), np.uint8)
    layers[0, 0, 0, 0], layers[0, 1, 1, 1], layers[1, 0, 0, 0] = 7, 3, 1
    image = sitk.GetImageFromArray(layers.transpose(1, 2, 3, 0), isVector=True)
    fields = {"Name": ("liver", "spleen", "cyst"), "LabelValue": (7, 3, 1), "Layer": (0, 0, 1)}
    for field, values in fields.items():
        for number, value in enumerate(values):
            image.SetMetaData(f"Segment{number}_{field}", str(value))
    sitk.WriteImage(image, tmp_path / "a.seg.nrrd", useCompression=True)
    segmentation = read_segmentation(tmp_path / "a.seg.nrrd")
    assert {name: np.argwhere(mask).tolist() for name, mask in segmentation.masks.items()} == {
        "liver": [[0, 0, 0]],
        "spleen": [[1, 1, 1]],
        "cyst": [[0, 0, 0]],
    }


def test_a_structure_that_a_case_lacks_is_empty_but_a_misspelt_one_is_an_error(segments):
    assert not read(segments, structures=["kidney"]).array.any()
    with pytest.raises(DataError, match="no structure 'tumor' among liver, tumour; did you mean 'tumour'"):
        read(segments, structures=["tumor"])


def test_the_left_is_no_misspelling_of_the_right(tmp_path):
    """A case that lacks one of two structures with names alike."""
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, LABELS, AFFINE, {"right kidney": 1, "liver": 2})
    array = read(path, structures=["left kidney", "right kidney", "liver"]).array
    assert sorted(np.unique(array)) == [0, 2, 3]
    with pytest.raises(DataError, match="did you mean 'right kidney'"):
        read(path, structures=["left kidney", "liver"])


def test_files_without_names_or_with_one_twice_are_errors(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(LABELS), path)
    with pytest.raises(DataError, match="names no segments"):
        read(path)
    write_seg_nrrd(path, LABELS, AFFINE, ["liver", "other"])
    path.write_bytes(path.read_bytes().replace(b"Name:=other", b"Name:=liver"))
    with pytest.raises(DataError, match="two segments are called 'liver'"):
        read(path)
    write_seg_nrrd(path, LABELS, AFFINE, ["liver", "tumour"])
    path.write_bytes(path.read_bytes().replace(b"Segment1_Layer:=0", b"Segment1_Layer:=1"))
    with pytest.raises(DataError, match="'tumour' is in layer 1 of 1"):
        read(path)
