import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from dvpt_monai.errors import DataError
from dvpt_monai.formats import read
from dvpt_monai.formats.itk import write_itk

VOXELS = (np.random.default_rng(0).random((4, 5, 6)) ** 3 * 1000).astype(np.int16)
COSINE, SINE = np.cos(0.4), np.sin(0.4)
DIRECTIONS = {
    "upright": np.eye(3),
    "oblique": np.array([[COSINE, -SINE, 0], [SINE, COSINE, 0], [0, 0, 1]]),
    "flipped": np.diag([-1.0, -1, 1]),
    "permuted": np.eye(3)[:, [1, 2, 0]],
}


def itk(directions=DIRECTIONS["oblique"], voxels=VOXELS):
    image = sitk.GetImageFromArray(voxels.transpose(2, 1, 0))
    image.SetSpacing((0.5, 2, 3))
    image.SetOrigin((10, -20, 30))
    image.SetDirection(directions.ravel().tolist())
    return image


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("kind", DIRECTIONS)
def test_voxels_and_affine_are_those_of_the_same_image_as_nifti(tmp_path, suffix, kind):
    sitk.WriteImage(itk(DIRECTIONS[kind]), tmp_path / f"a{suffix}")
    sitk.WriteImage(itk(DIRECTIONS[kind]), tmp_path / "a.nii")
    image = read(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(image.affine, nibabel.load(tmp_path / "a.nii").affine, atol=1e-4)
    assert np.array_equal(image.array, VOXELS) and image.array.dtype == np.int16
    assert not image.channels and image.spacing == pytest.approx((0.5, 2, 3))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_vectors_and_a_fourth_axis_are_channels(tmp_path, suffix):
    both = np.stack([VOXELS, VOXELS + 1], axis=-1)
    sitk.WriteImage(sitk.GetImageFromArray(both.transpose(2, 1, 0, 3), isVector=True), tmp_path / f"a{suffix}")
    sitk.WriteImage(sitk.GetImageFromArray(both.transpose(3, 2, 1, 0), isVector=False), tmp_path / f"b{suffix}")
    for name in "ab":
        image = read(tmp_path / f"{name}{suffix}")
        assert image.channels and image.shape == (4, 5, 6) and np.array_equal(image.array, both)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_flipped_bit_of_compressed_voxels_is_an_error_or_changes_nothing(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(itk(), path, useCompression=True)
    data, refused, silent = path.read_bytes(), 0, 0
    mark = b"\n\n" if suffix == ".nrrd" else b"LOCAL\n"
    start = 8 * (data.index(mark) + len(mark))
    for place in np.random.default_rng(0).integers(start, 8 * len(data), 300):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        try:
            image = read(path)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert np.array_equal(image.array, VOXELS)
        try:  # the control: SimpleITK alone
            silent += not np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(path)).transpose(2, 1, 0), VOXELS)
        except RuntimeError:
            continue
    assert refused > 280 and silent > 10


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_is_cut_is_an_error(tmp_path, suffix, compressed):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(itk(), path, useCompression=compressed)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"a{suffix}"):
        read(path)


@pytest.mark.parametrize(("suffix", "voxels"), [(".mhd", "a.raw"), (".nhdr", "a.raw")])
def test_voxels_in_a_file_of_their_own_must_be_there(tmp_path, suffix, voxels):
    sitk.WriteImage(itk(), tmp_path / f"a{suffix}")
    data = tmp_path / voxels
    data.write_bytes(data.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"a{suffix}"):
        read(tmp_path / f"a{suffix}")
    data.unlink()
    with pytest.raises(DataError, match=r"a\.raw, which is missing"):
        read(tmp_path / f"a{suffix}")


def test_a_space_without_sides_a_slanted_grid_and_garbage_are_errors(tmp_path):
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(itk(np.eye(3)), path)
    good = path.read_bytes()
    path.write_bytes(good.replace(b"left-posterior-superior", b"scanner-xyz"))
    with pytest.raises(DataError, match="scanner-xyz"):
        read(path)
    path.write_bytes(good.replace(b"(0.5,0,0)", b"(0.5,0.3,0)"))
    with pytest.raises(DataError, match="slanted"):
        read(path)
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read"):
        read(path)


def test_a_space_of_ras_is_the_same_place(tmp_path):
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(itk(np.eye(3)), path)
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", b"right-anterior-superior"))
    np.testing.assert_allclose(read(path).affine, [[0.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_what_is_written_is_read_back(tmp_path, suffix):
    sitk.WriteImage(itk(), tmp_path / f"a{suffix}")
    image = read(tmp_path / f"a{suffix}")
    write_itk(tmp_path / f"b{suffix}", image.array, image.affine)
    again = read(tmp_path / f"b{suffix}")
    assert np.array_equal(again.array, VOXELS) and again.array.dtype == VOXELS.dtype
    np.testing.assert_allclose(again.affine, image.affine, atol=1e-9)
    write_itk(tmp_path / f"c{suffix}", np.stack([VOXELS, VOXELS], axis=-1), image.affine, channels=True)
    assert read(tmp_path / f"c{suffix}").channels
