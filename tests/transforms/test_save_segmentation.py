import os

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import DataLoader, Dataset, decollate_batch
from monai.transforms import Compose, EnsureChannelFirstd, Invertd, Orientationd, SaveImaged, Spacingd
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.formats import read, read_segmentation
from dvpt_monai.transforms import CheckPaird, LoadImaged, SaveImageSegmentationd
from tests.formats.test_series import VOXELS, series

C, S = np.cos(0.4), np.sin(0.4)
AFFINE = np.array([[-C, -2 * S, 0, 10], [S, -2 * C, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1.0]])
IMAGE = (VOXELS > 0).astype(np.float32) + (VOXELS > 60)


@pytest.fixture
def image(tmp_path):
    def save(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            Image.fromarray(IMAGE[..., 3].astype(np.uint8)).save(path)
            return str(path)
        nibabel.save(nibabel.Nifti1Image(IMAGE, AFFINE), tmp_path / "x.nii")
        sitk.WriteImage(sitk.ReadImage(tmp_path / "x.nii"), path)
        return str(path)

    return save


def predicted(path, **settings):
    """The image itself as its prediction, resampled and brought back as by a bundle."""
    steps = [LoadImaged("image"), EnsureChannelFirstd("image")]
    if not path.endswith(".png"):
        steps += [
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=(0.5, 1, 1.5), mode="nearest"),
        ]
    prepare = Compose(steps)
    batch = next(iter(DataLoader(Dataset([{"image": path}], prepare), batch_size=1)))
    batch["pred"] = batch["image"].clone()
    (case,) = decollate_batch(batch)
    return Invertd("pred", prepare, orig_keys="image", nearest_interp=True)(case)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("in/a.nii", "a_seg.nii"),
        ("in/a.nii.gz", "a_seg.nii.gz"),
        ("in/a.nrrd", "a_seg.seg.nrrd"),
        ("in/a.mha", "a_seg.mha"),
        ("in/a.mhd", "a_seg.mha"),
        ("in/a.png", "a_seg.png"),
    ],
)
def test_a_prediction_goes_back_to_the_grid_and_format_of_its_image(tmp_path, image, name, output):
    path = image(name)
    SaveImageSegmentationd("pred", tmp_path / "out", structures=["liver", "tumour"])(predicted(path))
    assert os.listdir(tmp_path / "out") == [output]
    mask, given = read(tmp_path / "out" / output), read(path)
    assert np.array_equal(mask.array, given.array) and mask.array.dtype == np.uint8
    if given.affine is not None:
        np.testing.assert_allclose(mask.affine, given.affine, atol=1e-4)


def test_a_series_becomes_a_seg_nrrd_named_after_its_folder(tmp_path):
    folder = series(tmp_path / "ct", voxels=IMAGE.astype(np.int16))
    files = [str(path) for path in folder.iterdir()]
    for source in (str(folder), files):
        case = LoadImaged("pred", ensure_channel_first=True)({"pred": source})
        SaveImageSegmentationd("pred", tmp_path / "out", structures=["liver", "tumour"], sources=[source])(case)
        assert os.listdir(tmp_path / "out") == ["ct_seg.seg.nrrd"]
        segmentation = read_segmentation(tmp_path / "out" / "ct_seg.seg.nrrd")
        assert np.array_equal(segmentation.label_map(["liver", "tumour"]), IMAGE)
        np.testing.assert_allclose(segmentation.affine, read(folder).affine)
        os.remove(tmp_path / "out" / "ct_seg.seg.nrrd")


def test_a_series_becomes_a_dicom_seg_on_wish(tmp_path):
    pytest.importorskip("highdicom")
    from tests.formats.test_dicom_seg import study

    folder = study(tmp_path / "ct")
    case = LoadImaged("image", ensure_channel_first=True)({"image": str(folder)})
    case["pred"] = (case["image"] > 0).float()
    save = SaveImageSegmentationd("pred", tmp_path / "out", structures=["liver"], output_format="dicom-seg")
    save(case)
    case["label"] = str(tmp_path / "out" / "ct_seg.dcm")
    case = CheckPaird("label")(LoadImaged("label", ensure_channel_first=True, structures=["liver"])(case))
    assert torch.equal(case["label"].as_tensor(), case["pred"].as_tensor())


def test_values_of_masks_come_back_in_the_smallest_type_that_holds_them(tmp_path, image):
    case = predicted(image("in/a.nii.gz"))
    for values, kind in (([0, 4, 10], np.uint8), ([0, 4, 1035], np.uint16), ([0, -1, 3], np.int8)):
        SaveImageSegmentationd("pred", tmp_path, values=values)(case)
        written = nibabel.load(tmp_path / "a_seg.nii.gz")
        assert written.get_data_dtype() == kind
        assert np.array_equal(np.asarray(written.dataobj), np.array(values)[IMAGE.astype(int)])
    with pytest.raises(DataError, match="label 2, where values has 2"):
        SaveImageSegmentationd("pred", tmp_path, values=[0, 1])(case)


def test_names_and_numbers_of_structures(tmp_path, image):
    case = predicted(image("in/a.nrrd"))
    SaveImageSegmentationd("pred", tmp_path, structures=["liver", "tumour"], values=[0, 300, 600])(case)
    assert read_segmentation(tmp_path / "a_seg.seg.nrrd").values == {"liver": 300, "tumour": 600}
    case["pred"] = torch.cat([case["pred"] > 0, case["pred"] == 2])
    with pytest.raises(DataError, match="2 channels of labels; choose one, or set overlapping=True"):
        SaveImageSegmentationd("pred", tmp_path)(case)
    SaveImageSegmentationd("pred", tmp_path, structures=["liver", "tumour"], overlapping=True)(case)
    channels = read_segmentation(tmp_path / "a_seg.seg.nrrd").channels(["liver", "tumour"])
    assert np.array_equal(channels[..., 0], IMAGE > 0) and np.array_equal(channels[..., 1], IMAGE == 2)
    with pytest.raises(DataError, match="2 channels for the structures"):
        SaveImageSegmentationd("pred", tmp_path, structures=["liver"], overlapping=True)(case)


def test_what_was_not_brought_back_is_refused(tmp_path, image):
    prepare = Compose(
        [LoadImaged("pred"), EnsureChannelFirstd("pred"), Spacingd("pred", pixdim=(0.5, 1, 1.5), mode="nearest")]
    )
    path = image("in/a.nii.gz")
    with pytest.raises(DataError, match=r"a\.nii\.gz: labels are not on the grid of the file: .*; put Invertd before"):
        SaveImageSegmentationd("pred", tmp_path / "out")(prepare({"pred": path}))
    turned = Compose([LoadImaged("pred"), EnsureChannelFirstd("pred"), Orientationd("pred", "RAS", labels=None)])
    SaveImageSegmentationd("pred", tmp_path / "out")(turned({"pred": path}))  # axes and flips are exact
    assert np.array_equal(read(tmp_path / "out" / "a_seg.nii.gz").array, IMAGE)
    with pytest.raises(DataError, match="it was read from no file"):
        SaveImageSegmentationd("pred", tmp_path)({"pred": torch.zeros(1, 2, 2)})


def test_two_images_never_write_one_file(tmp_path, image):
    paths = [image(f"bids/sub-{n}/anat/T1w.nii.gz") for n in (1, 2)]
    cases = [LoadImaged("pred", ensure_channel_first=True)({"pred": path}) for path in paths]
    save = SaveImageSegmentationd("pred", tmp_path / "out", sources=paths)
    for case in cases:
        save(case)
    for n in (1, 2):
        assert np.array_equal(read(tmp_path / "out" / f"sub-{n}" / "anat" / "T1w_seg.nii.gz").array, IMAGE)
    blind = SaveImageSegmentationd("pred", tmp_path / "blind")
    blind(cases[0])
    blind(cases[0])  # the same image may come again
    with pytest.raises(DataError, match=r"would both be written to .*list all images in sources"):
        blind(cases[1])
    alike = [image("in/x.png"), str(tmp_path / "in" / "x.jpg")]
    with pytest.raises(DataError, match="would both be written"):
        SaveImageSegmentationd("pred", tmp_path / "never", sources=alike)
    assert not (tmp_path / "never").exists()
    with pytest.raises(DataError, match="none of the images that sources lists"):
        SaveImageSegmentationd("pred", tmp_path, sources=paths[:1])(cases[1])


def test_columns_first_become_rows_again(tmp_path, image):
    path = image("in/a.png")
    case = LoadImaged("pred", ensure_channel_first=True, reverse_indexing=True)({"pred": path})
    SaveImageSegmentationd("pred", tmp_path / "out")(case)
    assert np.array_equal(read(tmp_path / "out" / "a_seg.png").array, read(path).array)


def test_servers_leave_it_out():
    assert issubclass(SaveImageSegmentationd, SaveImaged)  # as MONAI Label asks
    assert "SaveImage" in SaveImageSegmentationd.__name__  # as MONAI Deploy does
