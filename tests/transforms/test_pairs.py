import nibabel
import numpy as np
import pytest
import torch

from dvpt_monai.errors import DataError
from dvpt_monai.formats.seg_nrrd import write_seg_nrrd
from dvpt_monai.transforms import CheckPaird, LoadImaged

SHAPE = (4, 5, 6)
C, S = np.cos(0.4), np.sin(0.4)
AFFINE = np.array([[-C, -2 * S, 0, 10], [S, -2 * C, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1.0]])
LABELS = np.zeros(SHAPE, np.uint8)
LABELS[1, 2, 3], LABELS[0, 0, 5] = 1, 2


@pytest.fixture
def pair(tmp_path):
    """The case of an image, and of a label as given."""

    def load(labels=LABELS, affine=AFFINE, **settings):
        nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE, np.float32), AFFINE), tmp_path / "image.nii")
        nibabel.save(nibabel.Nifti1Image(labels, affine), tmp_path / "label.nii")
        files = {"image": str(tmp_path / "image.nii"), "label": str(tmp_path / "label.nii")}
        case = LoadImaged(["image", "label"], ensure_channel_first=True)(files)
        return CheckPaird("label", **settings)(case)

    return load


def test_a_label_in_its_place_passes_unchanged(pair):
    case = pair()
    assert np.array_equal(case["label"][0], LABELS) and case["label"].meta["filename_or_obj"].endswith("label.nii")
    assert torch.equal(case["label"].affine, case["image"].affine)


def test_a_label_stored_with_other_axes_is_brought_to_the_image(pair):
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    flipped[:3, 3] = (AFFINE @ [3, 0, 0, 1])[:3]
    assert np.array_equal(pair(LABELS[::-1], flipped)["label"][0], LABELS)
    swapped = pair(LABELS.transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]])["label"]
    assert np.array_equal(swapped[0], LABELS) and list(swapped.meta["spatial_shape"]) == list(SHAPE)
    np.testing.assert_allclose(swapped.affine, AFFINE, atol=1e-5)


def moved(x=0.0, y=0.0, z=0.0):
    affine = AFFINE.copy()
    affine[:3, 3] += x, y, z
    return affine


APART = {
    "a voxel aside": (LABELS, moved(x=1)),
    "half a voxel aside": (LABELS, moved(x=0.5)),
    "a slice higher": (LABELS, moved(z=3)),
    "another origin": (LABELS, moved(100, -50, 20)),
    "mirrored": (LABELS, AFFINE @ np.diag([-1.0, 1, 1, 1])),
    "another spacing": (LABELS, AFFINE @ np.diag([1, 1, 1.1, 1])),
    "no rotation": (LABELS, np.diag([1.0, 2, 3, 1])),
    "identity": (LABELS, np.eye(4)),
    "a slice less": (LABELS[..., 1:], AFFINE),
    "a slice more": (np.concatenate([LABELS, LABELS[..., :1]], axis=-1), AFFINE),
    "other axes of one header": (LABELS.transpose(1, 0, 2), AFFINE),
    "half the resolution": (LABELS[::2, ::2, ::2], AFFINE @ np.diag([2.0, 2, 2, 1])),
}


@pytest.mark.parametrize("kind", APART)
def test_a_label_of_another_place_or_shape_is_refused_with_both_names(pair, kind):
    with pytest.raises(DataError, match=r"label .*label\.nii does not lie where image .*image\.nii does: .+") as raised:
        pair(*APART[kind])
    assert "\n" not in str(raised.value)


def test_what_may_differ_is_a_twentieth_of_a_voxel_or_as_said(pair):
    assert np.array_equal(pair(affine=moved(x=0.04))["label"][0], LABELS)
    with pytest.raises(DataError, match=r"0\.5 mm apart \(0\.05 are allowed\)"):
        pair(affine=moved(x=0.5))
    assert np.array_equal(pair(affine=moved(x=0.4), allowed=0.45)["label"][0], LABELS)


def test_a_segmentation_that_slicer_has_cut_is_filled_up(tmp_path, pair):
    pair()
    start = AFFINE.copy()
    start[:3, 3] = (AFFINE @ [0, 0, 2, 1])[:3]
    write_seg_nrrd(tmp_path / "label.seg.nrrd", LABELS[:, :3, 2:], start, ["liver", "tumour"])
    files = {"image": str(tmp_path / "image.nii"), "label": str(tmp_path / "label.seg.nrrd")}
    case = LoadImaged(["image", "label"], ensure_channel_first=True, structures=["liver", "tumour"])(files)
    assert np.array_equal(CheckPaird("label")(case)["label"][0], LABELS)


def test_pictures_are_compared_by_their_size():
    image = torch.zeros(3, 4, 6)
    assert CheckPaird("label")({"image": image, "label": torch.ones(1, 4, 6)})["label"].sum() == 24
    with pytest.raises(DataError, match="their shapes are 6 x 4 x 1 and 4 x 6 x 1"):
        CheckPaird("label")({"image": image, "label": torch.ones(1, 6, 4)})
    with pytest.raises(DataError, match="their shapes are"):
        CheckPaird("label")({"image": image, "label": torch.ones(1, 4, 6, 2)})
    with pytest.raises(KeyError):
        CheckPaird("label")({"image": image})
    assert "label" not in CheckPaird("label", allow_missing_keys=True)({"image": image})
