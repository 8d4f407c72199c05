"""A training of a bundle that a full disk or a lost voxel ends leaves what was there, and says what to do."""

import hashlib
import resource
import shutil
from contextlib import contextmanager

import nibabel as nib
import numpy as np
import pytest

from dvpt_monai.errors import CheckpointError, DataError, reason

pytestmark = pytest.mark.filterwarnings("ignore")


@contextmanager
def disk_of(bytes_in_a_file):
    """As if the disk were full behind so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_in_a_file, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def content(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.*") if path.is_file()}


def fails(bundle, folder, **overrides):
    """What ends a training into a folder."""
    with pytest.raises(RuntimeError) as raised:
        bundle.run("train", models_dir=str(folder / "m"), output_dir=str(folder / "o"), **overrides)
    return reason(raised.value)


@pytest.fixture
def good(fundus, tmp_path):
    fundus.run("train", models_dir=str(tmp_path / "m"), output_dir=str(tmp_path / "o"), epochs=1)
    return tmp_path


@pytest.mark.bundle
def test_a_full_disk_leaves_network_and_adapter(fundus, good):
    before = content(good / "m")
    with disk_of(30_000):
        error = fails(fundus, good, seed=1, epochs=1)
    assert isinstance(error, CheckpointError) and "make room" in str(error) and "model.pt" in str(error)
    assert {name: before[name] for name in ("model.pt", "adapter.safetensors")}.items() <= content(good / "m").items()
    assert not list((good / "m").glob("*part-*"))
    fundus.run("train", models_dir=str(good / "m"), output_dir=str(good / "o"), epochs=1)


@pytest.mark.bundle
def test_a_voxel_that_is_no_number_is_named_and_the_good_network_stays(hippocampus, tmp_path):
    hippocampus.run("train", models_dir=str(tmp_path / "m"), output_dir=str(tmp_path / "o"))
    before = content(tmp_path / "m")
    data = shutil.copytree(hippocampus.data, tmp_path / "data")
    for path in sorted((data / "imagesTr").glob("*.nii.gz")):  # whichever of them train
        image = nib.load(path)
        voxels = np.asarray(image.dataobj, np.float32)
        voxels[3, 3, 3] = np.nan
        nib.save(nib.Nifti1Image(voxels, image.affine), path)
    error = fails(hippocampus, tmp_path, dataset_dir=str(data))
    assert isinstance(error, DataError) and ".nii.gz" in str(error)
    after = content(tmp_path / "m")
    assert {name: before[name] for name in ("model.pt", "adapter.safetensors")}.items() <= after.items()
