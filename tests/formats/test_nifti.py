import gzip
import tracemalloc

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from monai.transforms import LoadImage

from dvpt_monai.errors import DataError
from dvpt_monai.formats import read
from dvpt_monai.formats.nifti import DamagedStream, read_nifti, write_nifti

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def turned(angle, axis):
    c, s = np.cos(angle), np.sin(angle)
    i, j = (k for k in range(3) if k != axis)
    rotation = np.eye(3)
    rotation[i, i] = rotation[j, j] = c
    rotation[i, j], rotation[j, i] = -s, s
    return rotation


def affine_of(directions, spacing=(1.0, 2.0, 3.0), origin=(10.0, 20.0, -30.0)):
    affine = np.eye(4)
    affine[:3, :3] = directions @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


def file(path, sform=None, sform_code=1, qform=None, qform_code=1, pixdim=None, voxels=VOXELS, units=2):
    image = nibabel.Nifti1Image(voxels, None)
    if qform is not None:
        image.set_qform(qform, qform_code)
    if sform is not None:
        image.set_sform(sform, sform_code)
        image.header["pixdim"][1:4] = np.linalg.norm(sform[:3, :3], axis=0)
    if pixdim is not None:
        image.header["pixdim"][1:4] = pixdim
    image.header["xyzt_units"] = units
    nibabel.save(image, path)
    return path


def as_simpleitk_has_it(path):
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1, 1, 1]) @ affine


OBLIQUE = affine_of(turned(0.3, 0) @ turned(0.5, 2))
OTHER = affine_of(turned(0.1, 1), origin=(1.0, 2.0, 3.0))
SLANTED = OBLIQUE.copy()
SLANTED[0, 1] += 0.5
PERMUTED = affine_of(np.eye(3)[:, [2, 0, 1]])
ALIKE = {
    "identity": {"sform": np.eye(4)},
    "origin": {"sform": affine_of(np.eye(3), (1, 1, 1))},
    "anisotropic": {"sform": affine_of(np.eye(3), (0.5, 0.5, 5.0))},
    "oblique": {"sform": OBLIQUE},
    "oblique by qform": {"qform": OBLIQUE},
    "both": {"sform": OBLIQUE, "qform": OBLIQUE},
    "both, aligned to another scan": {"sform": OBLIQUE, "sform_code": 2, "qform": OBLIQUE},
    "standard space": {"sform": OBLIQUE, "sform_code": 4},
    "left to right": {"sform": affine_of(np.diag([-1.0, 1, 1]))},
    "LPS": {"sform": affine_of(np.diag([-1.0, -1, 1])), "qform": affine_of(np.diag([-1.0, -1, 1]))},
    "all flipped": {"sform": affine_of(-np.eye(3))},
    "left-handed by qform": {"qform": affine_of(turned(0.3, 0) @ np.diag([1.0, 1, -1]))},
    "permuted": {"sform": PERMUTED},
    "permuted by qform": {"qform": PERMUTED},
    "permuted and flipped": {"sform": PERMUTED @ np.diag([1.0, -1, 1, 1])},
    "tiny": {"sform": affine_of(turned(0.2, 1), (1e-3, 2e-3, 3e-3))},
    "huge": {"sform": affine_of(turned(0.2, 1), (80.0, 90.0, 100.0))},
    "far away": {"sform": affine_of(turned(0.2, 1), origin=(5000.0, -3000.0, 900.0))},
    "no unit": {"sform": OBLIQUE, "units": 0},
    "pixdim of float32": {"sform": OBLIQUE, "pixdim": (1.00001, 2.0, 3.00001)},
    "one slice": {"sform": OBLIQUE, "voxels": VOXELS[..., :1]},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ALIKE)
def test_the_affine_is_that_of_all_readers(tmp_path, kind):
    path = file(tmp_path / "a.nii.gz", **ALIKE[kind])
    image = read(path)
    np.testing.assert_allclose(image.affine, nibabel.load(path).affine, atol=1e-4)
    np.testing.assert_allclose(image.affine, as_simpleitk_has_it(path), atol=1e-4)
    if kind != "pixdim of float32":  # where MONAI's takes the identity
        np.testing.assert_allclose(image.affine, LoadImage(image_only=True)(path).affine, atol=1e-4)
    np.testing.assert_array_equal(image.array, ALIKE[kind].get("voxels", VOXELS))


APART = {
    "neither": ({}, "neither sform nor qform"),
    "both and different": ({"sform": OBLIQUE, "sform_code": 2, "qform": OTHER}, "sform and qform disagree by up to"),
    "sform against pixdim": ({"sform": OBLIQUE, "pixdim": (1.0, 2.0, 4.0)}, "sform and pixdim disagree by up to"),
    "slanted": ({"sform": SLANTED}, "slanted"),
    "slanted beside a qform": ({"sform": SLANTED, "qform": OBLIQUE}, "slanted"),
    "flat": ({"sform": np.diag([1.0, 0, 1, 1])}, "spacing 1 x 0 x 1 mm"),
    "absurd": ({"sform": np.diag([1.0, 1, 1e5, 1])}, "spacing 1 x 1 x 100000 mm"),
    "micrometres": ({"sform": OBLIQUE, "units": 3}, "micrometres"),
}


@pytest.mark.parametrize("kind", APART)
def test_where_readers_would_disagree_is_an_error(tmp_path, kind):
    header, words = APART[kind]
    path = file(tmp_path / "a.nii", **header)
    with pytest.raises(DataError, match=words) as raised:
        read(path)
    assert str(path) in str(raised.value)


def test_a_number_that_is_none_is_an_error(tmp_path):
    path = file(tmp_path / "a.nii", sform=np.eye(4))
    header = bytearray(path.read_bytes())
    header[300:304] = np.float32(np.nan).tobytes()  # the second of srow_y
    path.write_bytes(header)
    with pytest.raises(DataError, match="spacing 1 x nan x 1 mm"):
        read(path)


def test_complex_numbers_are_refused(tmp_path):
    """Whoever turns them into real ones drops a half without an error."""
    path = file(tmp_path / "a.nii", sform=np.eye(4), voxels=(VOXELS + 1j * VOXELS).astype(np.complex64))
    with pytest.raises(DataError, match=r"a\.nii: complex numbers, .* save their magnitude"):
        read(path)


def flips(data, number, seed=0):
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, 8 * len(data), number):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        yield bytes(flipped)


def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path):
    path = file(tmp_path / "a.nii.gz", sform=OBLIQUE, voxels=np.random.default_rng(0).normal(size=(8, 8, 8)))
    whole, data = nibabel.load(path).get_fdata(), path.read_bytes()
    refused = 0
    for flipped in flips(data, 1000):
        path.write_bytes(flipped)
        try:
            image = read(path)
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert np.array_equal(image.array, whole)
            np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-5)
    assert refused > 950


def test_nibabel_alone_would_not_see_it(tmp_path):  # the control of the test above
    path = file(tmp_path / "a.nii.gz", sform=OBLIQUE, voxels=np.random.default_rng(0).normal(size=(8, 8, 8)))
    whole, data, silent = nibabel.load(path).get_fdata(), path.read_bytes(), 0
    for flipped in flips(data, 100):
        path.write_bytes(flipped)
        try:
            silent += not np.array_equal(nibabel.load(path).get_fdata(), whole)
        except Exception:
            continue
    assert silent > 50


@pytest.mark.parametrize("cut", [1, 60, 200])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_that_is_cut_or_too_long_is_an_error(tmp_path, suffix, cut):
    path = file(tmp_path / f"a{suffix}", sform=OBLIQUE)
    data = path.read_bytes()
    for wrong in (data[:-cut], data + bytes([7]) * cut):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"a\.nii"):
            read(path)
    path.write_bytes(data)
    assert read(path).shape == VOXELS.shape


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_no_more_is_read_than_the_header_describes(tmp_path, suffix):
    path = file(tmp_path / f"a{suffix}", sform=OBLIQUE)
    data = path.read_bytes() if suffix == ".nii" else gzip.decompress(path.read_bytes())
    more = data + bytes(1 << 28)
    path.write_bytes(more if suffix == ".nii" else gzip.compress(more))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more bytes than its header describes"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()
    lies = data[:42] + np.array([30000] * 3, "<i2").tobytes() + data[48:]
    path.write_bytes(lies if suffix == ".nii" else gzip.compress(lies))
    with pytest.raises(DataError, match="bytes are missing"):
        read(path)


def test_what_is_no_nifti_says_so(tmp_path):
    path = tmp_path / "a.nii.gz"
    for data in (b"", b"no", gzip.compress(b"no"), gzip.compress(bytes(400))):
        path.write_bytes(data)
        with pytest.raises(DataError, match="copy or export it again"):
            read(path)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "b.nii")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)") as error:
        read_nifti(tmp_path)
    assert not isinstance(error.value, DamagedStream)


def test_channels_are_the_last_axis(tmp_path):
    four = np.stack([VOXELS, VOXELS + 1], axis=-1)
    image = read(file(tmp_path / "a.nii", sform=OBLIQUE, voxels=four))
    assert image.channels and image.shape == VOXELS.shape and image.array.shape == (4, 5, 6, 2)
    vectors = read(file(tmp_path / "b.nii", sform=OBLIQUE, voxels=four[:, :, :, None]))
    assert vectors.channels and np.array_equal(vectors.array, four)
    assert not read(file(tmp_path / "c.nii", sform=OBLIQUE)).channels
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 7
    rgb = read(file(tmp_path / "d.nii", sform=OBLIQUE, voxels=colours))
    assert rgb.channels and rgb.array.shape == (4, 5, 6, 3) and (rgb.array[..., 1] == 7).all()


def test_slope_intercept_and_the_second_version(tmp_path):
    image = nibabel.Nifti2Image(VOXELS, OBLIQUE)
    image.header.set_slope_inter(2, -7)
    nibabel.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz").array, nibabel.load(tmp_path / "a.nii.gz").get_fdata())


def test_what_is_written_is_read_back(tmp_path):
    for name in ("a.nii", "b.nii.gz"):
        write_nifti(tmp_path / name, VOXELS, OBLIQUE)
        image = nibabel.load(tmp_path / name)
        assert image.get_data_dtype() == VOXELS.dtype and np.array_equal(image.dataobj, VOXELS)
        np.testing.assert_allclose(image.get_sform(), OBLIQUE, atol=1e-5)
        np.testing.assert_allclose(image.get_qform(), OBLIQUE, atol=1e-4)
        np.testing.assert_allclose(read(tmp_path / name).affine, OBLIQUE, atol=1e-4)
