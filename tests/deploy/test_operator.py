"""docs/deploy_app.py, in the environment of MONAI Deploy App SDK, predicts what the bundles themselves predict here."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import monai.bundle
import nibabel
import numpy as np
import pytest
import torch
from nibabel.orientations import apply_orientation, inv_ornt_aff

from dvpt_monai import save_adapter
from dvpt_monai.data import find_data
from dvpt_monai.errors import DataError
from dvpt_monai.phantoms import write_fundus, write_hippocampus
from dvpt_monai.ship.network import network_of

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-deploy" / "bin" / "python"
TIES = 5  # voxels whose best two classes are level up to rounding, which differs from eager mode to TorchScript

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-deploy: ./scripts/install_deploy.sh makes it"),
]


def images_of(name, folder, write):
    """Two real images where the data are at hand, else phantoms."""
    try:
        found = find_data(name)
    except DataError:
        found = write(folder / "phantoms")
    images = found / ("imagesTr" if (found / "imagesTr").is_dir() else "images")
    chosen = [path for path in sorted(images.iterdir()) if not path.name.startswith(".")][:2]
    return [Path(shutil.copy(path, folder)) for path in chosen]


def trained(name, folder, seed=0):
    """A bundle with random weights, none of them zero as at the start of a tuning, and its model.ts."""
    root = shutil.copytree(
        ROOT / "bundles" / name, folder / name, ignore=shutil.ignore_patterns("models", "output", "eval")
    )
    torch.manual_seed(seed)
    network = network_of(root)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    (root / "models").mkdir()
    torch.save(network.state_dict(), root / "models" / "model.pt")
    save_adapter(network, root / "models" / "adapter.safetensors", {"image_mean": [0.3] * 3, "image_std": [0.4] * 3})
    monai.bundle.ckpt_export(
        filepath=str(root / "models" / "model.ts"),
        ckpt_file=str(root / "models" / "model.pt"),
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "inference.json"),
    )
    return root


def predicted(root, images):
    """What the bundle itself writes."""
    monai.bundle.run("inferring", config_file=str(root / "configs" / "inference.json"), dataset_dir=str(images))
    return root / "output" / "inference"


def deploy(model, images, output, fails=False):
    """Run the application as its docstring says; gives what it said."""
    words = [PYTHON, ROOT / "docs" / "deploy_app.py", "-m", model, "-i", images, "-o", output]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -s 32768; exec "$@"', "bash", *map(str, words)],
        cwd=output.parent,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, said[-5000:]
    return said


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """A volume as it is, and another one that lies differently, with voxels of other sizes."""
    folder = tmp_path_factory.mktemp("volumes")
    _, other = images_of("Task04_Hippocampus", folder, lambda out: write_hippocampus(out, num=2))
    image = nibabel.load(other)
    turn = np.array([[1, -1], [2, 1], [0, -1]])
    affine = image.affine @ inv_ornt_aff(turn, image.shape) @ np.diag([1.3, 0.8, 1.1, 1])
    nibabel.save(nibabel.Nifti1Image(apply_orientation(image.get_fdata(dtype=np.float32), turn), affine), other)
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    images_of("idrid_grading", folder, lambda out: write_fundus(out, num_train=5, num_test=5) and out)
    return folder


@pytest.fixture(scope="module")
def hippocampus(tmp_path_factory):
    return trained("hippocampus_mri_segmentation", tmp_path_factory.mktemp("a bundle"))


@pytest.fixture(scope="module")
def fundus(tmp_path_factory):
    return trained("fundus_dr_classification", tmp_path_factory.mktemp("a bundle"))


def masks(folder):
    return {path.name: nibabel.load(path) for path in sorted(folder.glob("*.nii.gz"))}


def grades(folder):
    """{image: (grade, probabilities)}."""
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    scores = [[float(value) for key, value in row.items() if key.startswith("probability")] for row in rows]
    return {Path(row["image"]).name: (int(row["prediction"]), np.array(p)) for row, p in zip(rows, scores, strict=True)}


def differing(a, b):
    return int((np.asarray(a.dataobj) != np.asarray(b.dataobj)).sum())


def model_of(root, form, folder):
    """What the operator is given: a bundle's model.ts, or its folder with model.pt alone: a model.ts goes first."""
    if form == "model.ts":
        return root / "models" / "model.ts"
    return shutil.copytree(root, folder / "without ts", ignore=shutil.ignore_patterns("*.ts", "output"))


@pytest.mark.parametrize("form", ["folder", "model.ts"])
def test_the_masks_of_a_bundle(hippocampus, volumes, tmp_path, form):
    expected = masks(predicted(hippocampus, volumes))
    deploy(model_of(hippocampus, form, tmp_path), volumes, tmp_path / "masks")
    made = masks(tmp_path / "masks")
    assert len(expected) == 2 and made.keys() == expected.keys()
    for name, mask in made.items():
        assert len(np.unique(expected[name].dataobj)) > 1, "a mask of one class compares nothing"
        assert mask.shape == expected[name].shape and mask.get_data_dtype() == np.uint8
        assert differing(mask, expected[name]) <= TIES
        np.testing.assert_allclose(mask.affine, expected[name].affine, atol=1e-5)
        image = nibabel.load(volumes / name.replace("_seg", ""))
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5)


def test_another_network_gives_other_masks(hippocampus, volumes, tmp_path):
    """The comparison above can fail."""
    expected = masks(predicted(hippocampus, volumes))
    other = trained("hippocampus_mri_segmentation", tmp_path, seed=1)
    deploy(other / "models" / "model.ts", volumes, tmp_path / "masks")
    assert all(differing(mask, expected[name]) > 100 * TIES for name, mask in masks(tmp_path / "masks").items())


@pytest.mark.parametrize("form", ["folder", "model.ts"])
def test_the_grades_of_a_bundle(fundus, photographs, tmp_path, form):
    """Scores too; the images are normalised as the adapter beside the network says."""
    expected = grades(predicted(fundus, photographs))
    deploy(model_of(fundus, form, tmp_path), photographs, tmp_path / "grades")
    made = grades(tmp_path / "grades")
    assert len(expected) == 2 and made.keys() == expected.keys()
    for name, (grade, scores) in made.items():
        assert grade == expected[name][0]
        np.testing.assert_allclose(scores, expected[name][1], atol=1e-4)
        assert abs(scores.sum() - 1) < 1e-4
    first, second = (scores for _, scores in expected.values())
    assert np.abs(first - second).max() > 1e-3, "every image has the same scores, which compares nothing"


def test_without_the_adapter_images_are_normalised_otherwise(fundus, photographs, tmp_path):
    """What the documentation warns of: a model.ts by itself knows the normalisation of the backbone's name alone."""
    expected = grades(predicted(fundus, photographs))
    alone = shutil.copy(fundus / "models" / "model.ts", tmp_path)
    deploy(alone, photographs, tmp_path / "grades")
    made = grades(tmp_path / "grades")
    assert all(np.abs(made[name][1] - scores).max() > 1e-3 for name, (_, scores) in expected.items())


def test_what_is_no_bundle_is_named(hippocampus, volumes, tmp_path):
    assert "No such file/folder" in deploy(tmp_path / "missing", volumes, tmp_path / "masks", fails=True)
    bare = tmp_path / "model.ts"  # saved by torch alone, without configs
    torch.jit.save(torch.jit.script(torch.nn.Identity()), bare)
    said = deploy(bare, volumes, tmp_path / "masks", fails=True)
    assert f"error: {bare} is neither a bundle's folder nor a model.ts" in said and "ckpt_export" in said
    untrained = shutil.copytree(hippocampus, tmp_path / "untrained", ignore=shutil.ignore_patterns("models"))
    said = deploy(untrained, volumes, tmp_path / "masks", fails=True)
    assert f"error: {untrained} holds no models/model.pt" in said
    assert not list((tmp_path / "masks").iterdir())
