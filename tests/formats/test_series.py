import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from dvpt_monai.errors import DataError
from dvpt_monai.formats import format_of, read, series_files

COSINE, SINE = np.cos(0.4), np.sin(0.4)
OBLIQUE = np.array([[COSINE, -SINE, 0], [SINE, COSINE, 0], [0, 0, 1]])
VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 30
TAGS = {
    "0008|0060": "CT",
    "0020|000e": "1.2.3.4",
    "0008|103e": "thin",
    "0028|1053": "1",
    "0028|1052": "0",
    "0018|0050": "3",
}


def series(folder, directions=OBLIQUE, spacing=(0.5, 2.0, 3.0), voxels=VOXELS, places=None, **tags):
    """One file a slice, as scanners write them; names run against the places."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    count = voxels.shape[2]
    for k in range(count):
        place = places[k] if places else directions[:, 2] * spacing[2] * k + (10, -20, 30)
        image = sitk.GetImageFromArray(voxels[:, :, k : k + 1].transpose(2, 1, 0))
        image.SetSpacing(spacing)
        header = {
            **TAGS,
            "0020|0032": "\\".join(f"{x:.9g}" for x in place),
            "0020|0037": "\\".join(f"{x:.9g}" for x in directions[:, :2].T.ravel()),
            "0008|0018": f"1.2.3.4.{tags.get('uid', 5)}.{k + 1}",
            "0020|0013": str(k + 1),
            **{tag: value for tag, value in tags.items() if "|" in tag},
        }
        for tag, value in header.items():
            image.SetMetaData(tag, value)
        image.SetOrigin([float(x) for x in place])
        image.SetDirection(directions.ravel().tolist())
        writer.SetFileName(str(folder / f"{tags.get('prefix', '')}{count - k:03}.dcm"))
        writer.Execute(image)
    return folder


def as_simpleitk_has_it(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0), np.diag([-1.0, -1, 1, 1]) @ affine


KINDS = {"upright": np.eye(3), "oblique": OBLIQUE, "sagittal": np.eye(3)[:, [1, 2, 0]], "flipped": -np.eye(3)}
KINDS["flipped"][2, 2] = 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_a_volume_in_the_order_of_its_places(tmp_path, kind):
    folder = series(tmp_path / "ct", KINDS[kind])
    image = read(folder)
    voxels, affine = as_simpleitk_has_it(folder)
    assert np.array_equal(image.array, VOXELS) and np.array_equal(voxels, VOXELS)
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    assert image.format == "dicom" and image.spacing == pytest.approx((0.5, 2, 3))
    assert format_of(folder) == "dicom" and len(image.header["files"]) == 6
    files = sorted(folder.iterdir(), key=lambda path: path.name[::-1])
    assert np.array_equal(read(files).array, VOXELS)
    assert format_of(shutil.copy(files[0], tmp_path / "IM0001")) == "dicom"


def test_what_is_no_dicom_is_passed_over_and_a_folder_without_is_an_error(tmp_path):
    folder = series(tmp_path / "ct")
    (folder / "notes.txt").write_text("none")
    (folder / "._001.dcm").write_bytes(b"none")
    assert len(series_files(folder)) == 6 and read(folder).shape == VOXELS.shape
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no DICOM files"):
        read(tmp_path / "empty")
    (folder / "099.dcm").write_bytes(b"none")
    with pytest.raises(DataError, match=r"099\.dcm: no DICOM image"):
        read(folder)


def test_slope_and_intercept_are_those_of_each_slice(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    folder = series(tmp_path / "pet")
    expected = VOXELS.astype(np.float32)
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        dataset = pydicom.dcmread(path)
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 * (number + 1), number - 1024
        dataset.save_as(path)
        expected[:, :, number] = VOXELS[:, :, number] * 0.5 * (number + 1) + number - 1024
    np.testing.assert_allclose(read(folder).array, expected)


def test_a_missing_slice_and_two_at_one_place_are_errors_that_name_the_files(tmp_path):
    folder = series(tmp_path / "gap")
    (folder / "003.dcm").rename(tmp_path / "003.dcm")
    with pytest.raises(DataError, match=r"004\.dcm and 002\.dcm of .*gap are 6 mm apart.* 1 between them missing"):
        read(folder)
    (tmp_path / "003.dcm").rename(folder / "003.dcm")
    assert read(folder).shape == VOXELS.shape
    shutil.copy(folder / "003.dcm", folder / "copy.dcm")
    with pytest.raises(DataError, match=r"003\.dcm and copy\.dcm of .* are at one place"):
        read(folder)


def test_two_series_of_one_folder_are_an_error_that_names_both(tmp_path):
    folder = series(tmp_path / "both")
    series(folder, **{"0020|000e": "1.2.3.9", "0008|103e": "thick", "prefix": "b", "uid": 6})
    with pytest.raises(DataError, match=r"2 series: 6 files like 001\.dcm \(thin\); 6 files like b001\.dcm \(thick\)"):
        read(folder)
    assert read(sorted(folder.glob("b*"))).shape == VOXELS.shape


def test_a_slice_of_another_size_orientation_or_spacing_is_named(tmp_path):
    other = VOXELS[:3, :, :1]
    for kind, changes in {
        "size": {"voxels": other},
        "turn": {"directions": np.eye(3), "voxels": VOXELS[:, :, :1]},
        "spacing": {"spacing": (0.6, 2.0, 3.0), "voxels": VOXELS[:, :, :1]},
    }.items():
        folder = series(tmp_path / kind)
        series(folder, prefix="localizer", uid=7, places=[OBLIQUE[:, 2] * 18 + (10, -20, 30)], **changes)
        with pytest.raises(DataError, match=r"localizer001\.dcm: (columns|orientation|spacing)"):
            read(folder)


def test_a_tilted_gantry_and_uneven_distances_are_errors(tmp_path):
    tilted = [np.array([0, 0.8 * k, 3.0 * k]) for k in range(6)]
    with pytest.raises(DataError, match=r"shifted by up to 4 mm .*tilted by 14\.9 degrees"):
        read(series(tmp_path / "tilt", np.eye(3), places=tilted))
    uneven = [np.array([0, 0, 3.0 * k + (1 if k == 3 else 0)]) for k in range(6)]
    with pytest.raises(DataError, match="off its place"):
        read(series(tmp_path / "uneven", np.eye(3), places=uneven))
    rounded = [np.array([0, 0, round(0.625 * k, 1)]) for k in range(6)]
    assert read(series(tmp_path / "rounded", np.eye(3), places=rounded)).spacing[2] == pytest.approx(0.62)


def test_one_slice_has_the_thickness_that_it_names(tmp_path):
    folder = series(tmp_path / "one", voxels=VOXELS[:, :, :1])
    assert read(folder).spacing == pytest.approx((0.5, 2, 3)) and read(folder).shape == (4, 5, 1)
