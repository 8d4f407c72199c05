"""What stands around nnU-Net when it is compared: the same cases, the time that it has, the same score."""

import importlib.util
import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from dvpt_monai.compare.runs import COLUMNS, add_row, read_rows

STRUCTURES = ["anterior", "posterior"]
RAW, PREPROCESSED, RESULTS, PROCESSES = (f"nnUNet_{name}" for name in ("raw", "preprocessed", "results", "n_proc_DA"))


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


class Trainer(SimpleNamespace):
    """Of nnU-Net, as far as the script knows it; it learns nothing."""

    def __init__(self, plans, configuration, fold, about, device):
        assert configuration == "3d_fullres" and fold == "all" and not plans["continue_training"]
        assert os.environ[PROCESSES] == "0"
        super().__init__(
            **{"device": device, "dataset_json": about, "network": torch.nn.Linear(2, 1), "initial_lr": 0.01},
            **{"plans_manager": None, "configuration_manager": None, "inference_allowed_mirroring_axes": None},
            **{"optimizer": SimpleNamespace(param_groups=[{}]), "dataloader_train": iter(int, 1)},
            on_train_start=lambda: None,
            set_deep_supervision_enabled=lambda enabled: None,
            train_step=lambda batch: time.sleep(0.01) or {"loss": 0.0},
        )


class Predictor:
    """Its masks are the truth, of the cases that it is given."""

    def __init__(self, **settings):
        pass

    def manual_initialization(self, *parts):
        pass

    def predict_from_files_sequential(self, images, places):
        for [image], place in zip(images, places, strict=True):
            shutil.copyfile(image.replace("imagesTr", "labelsTr"), f"{place}.nii.gz")


def prepared(numbers, **settings):
    """What planning leaves behind, of the data that were written for it."""
    folder = Path(os.environ[RAW], "Dataset004_Compared")
    target = Path(os.environ[PREPROCESSED], folder.name)
    target.mkdir(parents=True)
    shutil.copyfile(folder / "dataset.json", target / "dataset.json")
    (target / "nnUNetPlans.json").write_text("{}")


@pytest.fixture
def nnunet(monkeypatch):
    """nnU-Net's modules, where the script looks for them."""
    api = SimpleNamespace(extract_fingerprints=lambda *_, **__: None, plan_experiments=prepared)
    api.preprocess = lambda *_, **__: None
    modules = {
        "nnunetv2.experiment_planning": SimpleNamespace(plan_and_preprocess_api=api),
        "nnunetv2.training.nnUNetTrainer.nnUNetTrainer": SimpleNamespace(nnUNetTrainer=Trainer),
        "nnunetv2.inference.predict_from_raw_data": SimpleNamespace(nnUNetPredictor=Predictor),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in (RAW, PREPROCESSED, RESULTS, PROCESSES):
        monkeypatch.setenv(name, "")  # what the script sets ends with the test


def test_its_row_is_added_to_those_of_the_study(script, nnunet, hippocampus, tmp_path, monkeypatch):
    options = {"dataset_dir": str(hippocampus.data), "backbone_weights": "random", **hippocampus.overrides}
    first = dict.fromkeys(COLUMNS, "") | {"run": "a", "method": "DVPT", "stage": "test", "seed": "0", "seconds": "0.1"}
    first |= {"options": json.dumps(options), "metric": "mean_dice", "training_cases": "10", "scored_cases": "3"}
    add_row(tmp_path / "runs.csv", first)
    monkeypatch.setattr(script, "version", lambda name: "1")
    words = ["benchmark_nnunet.py", "--out", str(tmp_path), "--bundle", str(hippocampus.root)]
    monkeypatch.setattr("sys.argv", words)
    script.main()
    before, added = read_rows(tmp_path / "runs.csv").values()
    assert before == first and added["method"] == "nnU-Net" and float(added["value"]) == 1
    assert json.loads(added["arguments"])["steps"] > 1 and added["options"] == first["options"]
    resampled = np.load(tmp_path / "runs" / added["run"] / "resampled.npy")
    assert len(resampled) == 1000 and set(resampled) == {1.0}
    add_row(tmp_path / "runs.csv", {**first, "training_cases": "9"})
    with pytest.raises(SystemExit, match=r"10 and 3 cases, which the runs of .* had not"):
        script.main()
