"""What stands around nnU-Net when it is compared: the same cases, the time that it has, the same score."""

import importlib.util
import json
import time
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

STRUCTURES = ["anterior", "posterior"]


@pytest.fixture(scope="module")
def script(repository):
    spec = importlib.util.spec_from_file_location("benchmark_nnunet", repository / "scripts" / "benchmark_nnunet.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def case(tmp_path):
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[1:3], mask[4:6] = 1, 2
    for name, values in (("image", mask.astype(np.float32)), ("label", mask)):
        nib.save(nib.Nifti1Image(values, np.diag([1, 2, 1, 1])), tmp_path / f"{name}.nii.gz")
    return {"image": tmp_path / "image.nii.gz", "label": tmp_path / "label.nii.gz"}


def test_cases_lie_as_nnunet_wants_them(script, case, tmp_path):
    script.write_dataset(tmp_path / "raw", [case], STRUCTURES)
    folder = tmp_path / "raw" / "Dataset004_Compared"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {"dataset.json", "imagesTr/image_0000.nii.gz", "labelsTr/image.nii.gz"}
    about = json.loads((folder / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "anterior": 1, "posterior": 2} and about["numTraining"] == 1


def test_it_trains_for_the_time_that_it_has_and_its_rate_ends_at_zero(script):
    rates = []
    optimizer = SimpleNamespace(param_groups=[{"lr": 1.0}])

    def step(batch):
        time.sleep(0.01)
        rates.append(optimizer.param_groups[0]["lr"])
        return {"loss": 0.0}

    trainer = SimpleNamespace(
        on_train_start=lambda: None,
        network=SimpleNamespace(train=lambda: None),
        optimizer=optimizer,
        initial_lr=0.01,
        dataloader_train=iter(int, 1),
        train_step=step,
    )
    start = time.perf_counter()
    assert script.train(trainer, 0.3) == len(rates) > 2
    assert 0.3 <= time.perf_counter() - start < 3
    assert rates == sorted(rates, reverse=True) and rates[0] == pytest.approx(0.01, rel=0.05) and rates[-1] < rates[0]


def test_it_is_measured_as_the_bundle_measures_itself(script, case, tmp_path):
    label = nib.load(case["label"])
    half = np.where(label.get_fdata() == 2, 0, label.get_fdata()).astype(np.uint8)
    half[1] = 0
    nib.save(nib.Nifti1Image(half, label.affine), tmp_path / "predicted.nii.gz")
    seen = script.measured([case], [tmp_path / "predicted.nii.gz"], STRUCTURES)
    dice, distance, *_ = seen[0].T
    torch.testing.assert_close(dice, torch.tensor([2 / 3, 0.0], dtype=torch.float64))
    assert distance[0] == 1 and distance[1].isnan(), "in mm along the first axis, and none of what was missed"
    nib.save(nib.Nifti1Image(half, np.eye(4)), tmp_path / "elsewhere.nii.gz")
    with pytest.raises(SystemExit, match="does not lie where"):
        script.measured([case], [tmp_path / "elsewhere.nii.gz"], STRUCTURES)


def test_without_a_run_to_compare_with_it_says_which_command_makes_one(script, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark_nnunet.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"benchmark\.py run hippocampus_nnunet"):
        script.main()


def test_no_time_is_refused(script, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmark_nnunet.py", "--seconds", "-1"])
    with pytest.raises(SystemExit):
        script.main()
    assert "--seconds -1: give some time to train" in capsys.readouterr().err
