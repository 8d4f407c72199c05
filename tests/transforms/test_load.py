import pickle

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    Invertd,
    Orientationd,
    RandFlipd,
    Spacingd,
)
from monai.transforms import LoadImaged as MonaiLoadImaged
from PIL import Image

from dvpt_monai.errors import DataError, reason
from dvpt_monai.formats.seg_nrrd import write_seg_nrrd
from dvpt_monai.transforms import LoadImaged
from tests.formats.test_series import VOXELS, series

C, S = np.cos(0.4), np.sin(0.4)
AFFINE = np.array([[-C, -2 * S, 0, 10], [S, -2 * C, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1.0]])


@pytest.fixture
def nifti(tmp_path):
    def save(name="a.nii.gz", voxels=None, affine=AFFINE):
        voxels = VOXELS.astype(np.float32) if voxels is None else voxels
        image = nibabel.Nifti1Image(voxels, affine)
        image.set_qform(affine, 1)
        nibabel.save(image, tmp_path / name)
        return str(tmp_path / name)

    return save


def equal(mine, theirs, without=()):
    assert torch.equal(mine.as_tensor(), theirs.as_tensor()) and mine.dtype == theirs.dtype
    assert list(mine.meta) == list(theirs.meta)
    for key, value in theirs.meta.items():
        if key in without:
            continue
        np.testing.assert_array_equal(np.asarray(mine.meta[key]), np.asarray(value), err_msg=key)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("settings", [{}, {"ensure_channel_first": True}, {"dtype": None}, {"image_only": False}])
def test_nibabel_reader_gives_what_monais_does(nifti, name, settings):
    for voxels in (VOXELS, np.stack([VOXELS] * 2, axis=-1).astype(np.float32)):
        case = {"image": nifti(name, voxels)}
        mine = LoadImaged("image", reader="NibabelReader", **settings)(case)
        theirs = MonaiLoadImaged("image", reader="NibabelReader", **settings)(case)
        assert mine.keys() == theirs.keys()
        # of four axes MONAI "corrects" the fourth pixdim by the origin
        equal(mine["image"], theirs["image"], without=("pixdim", "original_pixdim") if voxels.ndim == 4 else ())


@pytest.mark.parametrize("settings", [{"reverse_indexing": False}, {"reverse_indexing": True}, {}])
@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1"])
def test_pil_reader_gives_what_monais_does(tmp_path, mode, settings):
    colours = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(colours).convert(mode).save(tmp_path / "a.png")
    case = {"image": str(tmp_path / "a.png")}
    mine = LoadImaged("image", reader="PILReader", **settings)(case)["image"]
    equal(mine, MonaiLoadImaged("image", reader="PILReader", **settings)(case)["image"])


def test_the_default_has_the_metadata_of_monais_readers(nifti, tmp_path):
    case = {"image": nifti()}
    mine, theirs = LoadImaged("image")(case)["image"], MonaiLoadImaged("image")(case)["image"]
    assert torch.equal(mine.as_tensor(), theirs.as_tensor()) and set(theirs.meta) - {"as_closest_canonical"} <= set(
        mine.meta
    )
    np.testing.assert_allclose(mine.affine, theirs.affine)
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "a.png")
    picture = LoadImaged("image", ensure_channel_first=True)({"image": str(tmp_path / "a.png")})["image"]
    assert picture.shape == (1, 4, 6) and list(picture.meta["spatial_shape"]) == [4, 6]
    columns = LoadImaged("image", ensure_channel_first=True, reverse_indexing=True)({"image": str(tmp_path / "a.png")})
    assert columns["image"].shape == (1, 6, 4)


@pytest.mark.parametrize("kind", ["a.nii.gz", "a.nrrd", "a.mha", "a.mhd"])
def test_every_format_goes_through_monais_transforms_and_back(nifti, tmp_path, kind):
    path = nifti()
    if kind != "a.nii.gz":
        image = sitk.ReadImage(path)
        path = str(tmp_path / kind)
        sitk.WriteImage(image, path)
    there = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS", labels=None),
            Spacingd("image", pixdim=(1, 1, 1), mode="nearest"),
            RandFlipd("image", prob=1, spatial_axis=0),
        ]
    )
    case = there({"image": path})
    moved = case["image"]
    back = Invertd("image", there, orig_keys="image")(case)["image"]
    assert moved.shape[1:] != VOXELS.shape and tuple(back.shape) == (1, *VOXELS.shape)
    assert torch.equal(back.as_tensor()[0], torch.as_tensor(VOXELS.astype(np.float32)))
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-4)
    np.testing.assert_allclose(back.meta["original_affine"], AFFINE, atol=1e-4)


def test_a_series_is_loaded_by_folder_and_by_files(tmp_path):
    folder = series(tmp_path / "ct")
    loaded = LoadImaged("image", ensure_channel_first=True)({"image": str(folder)})["image"]
    assert loaded.meta["filename_or_obj"] == str(folder) and torch.equal(loaded[0], torch.as_tensor(VOXELS).float())
    files = [str(path) for path in folder.iterdir()]
    listed = LoadImaged("image", ensure_channel_first=True)({"image": files})["image"]
    assert torch.equal(listed.as_tensor(), loaded.as_tensor())
    (folder / "002.dcm").unlink()
    with pytest.raises(DataError, match=r"^image 00\d\.dcm and 00\d\.dcm of .*ct are 6 mm apart") as raised:
        LoadImaged("image")({"image": str(folder)})
    assert "\n" not in str(raised.value)


def test_files_of_one_grid_become_channels(nifti):
    files = [nifti(f"{name}.nii") for name in ("t1", "t2")]
    loaded = LoadImaged("image", ensure_channel_first=True)({"image": files})["image"]
    assert loaded.shape == (2, *VOXELS.shape)
    other = nifti("flair.nii", affine=AFFINE + np.eye(4, k=3))
    with pytest.raises(DataError, match=r"t1\.nii and .*flair\.nii are 1 mm apart: not one grid"):
        LoadImaged("image")({"image": [files[0], other]})
    with pytest.raises(DataError, match="gone"):
        LoadImaged("image")({"image": [files[0], "/gone.nii"]})


def test_segments_get_their_numbers_by_name(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1, 1], labels[2, 2, 2] = 1, 2
    path = str(tmp_path / "a.seg.nrrd")
    write_seg_nrrd(path, labels, AFFINE, ["tumour", "liver"])
    settings = {"ensure_channel_first": True, "structures": ["liver", "tumour"]}
    loaded = LoadImaged("label", **settings)({"label": path})["label"]
    assert loaded[0, 1, 1, 1] == 2 and loaded[0, 2, 2, 2] == 1
    channels = LoadImaged("label", overlapping=True, **settings)({"label": path})["label"]
    assert channels.shape == (2, 4, 5, 6) and channels[1, 1, 1, 1] == 1


@pytest.mark.parametrize("reader", [None, "NibabelReader"])
def test_nan_and_infinity_are_errors_unless_allowed(nifti, reader):
    for wrong in (np.nan, np.inf, -np.inf):
        voxels = VOXELS.astype(np.float32)
        voxels[1, 2, 3] = wrong
        path = nifti(voxels=voxels)
        with pytest.raises(DataError, match=f"^image {path}: 1 of 120 values are NaN or infinite"):
            LoadImaged("image", reader=reader)({"image": path})
        allowed = LoadImaged("image", reader=reader, allow_nonfinite=True)({"image": path})["image"]
        assert not torch.isfinite(allowed).all()
    assert LoadImaged("image", reader=reader)({"image": nifti()})["image"].shape == VOXELS.shape
    large = nifti(voxels=np.full((4, 4, 4), 3e38, np.float32))  # whose sum is infinite
    assert LoadImaged("image", reader=reader)({"image": large})["image"].shape == (4, 4, 4)


@pytest.mark.parametrize("reader", [None, "NibabelReader"])
def test_damaged_bytes_are_errors_whatever_the_reader(nifti, reader):
    path = nifti(voxels=np.random.default_rng(0).normal(size=(8, 8, 8)))
    with open(path, "r+b") as file:
        file.seek(2000)
        file.write(b"damaged")
    with pytest.raises(DataError, match=f"^image {path}: cannot be read .damaged"):
        LoadImaged("image", reader=reader)({"image": path})


def test_sform_against_pixdim_keeps_its_rotation_by_nibabels_view(nifti):
    path = nifti("a.nii")
    image = nibabel.load(path)
    image.set_qform(None, 0)
    image.header["pixdim"][1:4] = 1, 1, 1
    nibabel.save(image, path)
    with pytest.raises(DataError, match="reader="):
        LoadImaged("image")({"image": path})
    np.testing.assert_allclose(
        LoadImaged("image", reader="NibabelReader")({"image": path})["image"].affine, AFFINE, atol=1e-4
    )
    assert not np.allclose(MonaiLoadImaged("image")({"image": path})["image"].affine, AFFINE)  # the control


@pytest.mark.parametrize("reader", [None, "PILReader"])
def test_photographs_are_upright_and_of_one_page(tmp_path, reader):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    load = LoadImaged("image", reader=reader, reverse_indexing=False)
    loaded = load({"image": str(tmp_path / "a.png")})["image"]
    assert np.array_equal(loaded, np.rot90(pixels, -1)) and list(loaded.meta["spatial_shape"]) == [6, 4]
    pages = Image.fromarray(pixels), Image.fromarray(pixels + 1)
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"b\.tif: 2 pages"):
        load({"image": str(tmp_path / "b.tif")})
    second = LoadImaged("image", reader=reader, reverse_indexing=False, page=1)({"image": str(tmp_path / "b.tif")})
    assert np.array_equal(second["image"], pixels + 1)


def test_an_unknown_format_and_a_wrong_setting_are_errors(tmp_path):
    (tmp_path / "a.txt").write_text("none")
    with pytest.raises(DataError, match=r"a\.txt: none of the formats that are read: \.nii\.gz"):
        LoadImaged("image")({"image": str(tmp_path / "a.txt")})
    with pytest.raises(TypeError, match="windw"):
        LoadImaged("image", windw=True)


def test_an_error_of_a_worker_is_one_line_that_names_the_file(nifti):
    good, bad = nifti("good.nii.gz"), nifti("bad.nii.gz")
    with open(bad, "r+b") as file:
        file.seek(200)
        file.write(b"damaged")
    load = Compose([LoadImaged("image")])
    loader = DataLoader(Dataset([{"image": good}, {"image": bad}], load), num_workers=2)
    with pytest.raises(RuntimeError) as raised:
        list(loader)
    why = reason(raised.value)
    assert (
        isinstance(why, DataError)
        and str(why).startswith(f"image {bad}: cannot be read (damaged")
        and "\n" not in str(why)
    )
    plain = torch.utils.data.DataLoader(
        [{"image": bad}], collate_fn=lambda cases: LoadImaged("image")(cases[0]), num_workers=1
    )
    with pytest.raises(DataError) as raised:
        list(plain)
    assert str(reason(raised.value)).startswith(f"image {bad}: cannot be read (damaged")
    assert str(pickle.loads(pickle.dumps(why))) == str(why)
