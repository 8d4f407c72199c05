"""The commands of the READMEs, word for word, each in a process of its own and from another folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLED

pytestmark = pytest.mark.bundle

BUNDLES = Path(__file__).parents[2] / "bundles"
DATA = {
    "chest_xray_fewshot_classification": "MedFMC",
    "fundus_dr_classification": "idrid_grading",
    "hippocampus_mri_segmentation": "Task04_Hippocampus",
}


def monai_bundle(*words, folder):
    """`python -m monai.bundle ...`, with the package on the path and the user's own settings out of the way."""
    environment = {**os.environ, "PYTHONPATH": str(BUNDLES.parent), "OMP_NUM_THREADS": "1"}
    environment.pop("DVPT_DATA", None)
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(params=SAMPLED)
def bundle(request):
    return request.getfixturevalue(request.param)


def test_the_commands_of_the_readme(bundle, tmp_path):
    configs = bundle.root / "configs"
    where = [
        "--dataset_dir",
        str(bundle.data),
        "--models_dir",
        str(tmp_path / "m"),
        "--output_dir",
        str(tmp_path / "o"),
    ]
    short = ["--epochs", "1", "--val_interval", "1", "--backbone_weights", "random", "--device", "cpu"]
    method = ["--method", "{'_target_': 'dvpt_monai.LinearProbe'}"]

    said = monai_bundle(
        "run", "training", "--config_file", f"{configs}/train.json", *where, *short, *method, folder=tmp_path
    )
    assert "PHANTOM DATA" in said and "RANDOM" in said and "head and decoder" in said
    assert (tmp_path / "m" / "adapter.safetensors").is_file()

    both = f"['{configs}/train.json','{configs}/evaluate.json']"
    said = monai_bundle("run", "evaluating", "--config_file", both, *where, *method, folder=tmp_path)
    assert "PHANTOM DATA" in said and (tmp_path / "o" / "metrics.csv").is_file()

    monai_bundle(
        "run", "inferring", "--config_file", f"{configs}/inference.json", *method,
        "--dataset_dir", str(bundle.data / bundle.images), "--checkpoint", str(tmp_path / "m" / "model.pt"),
        "--output_dir", str(tmp_path / "i"), folder=tmp_path,
    )  # fmt: skip
    count = len(list((bundle.data / bundle.images).iterdir()))
    written = {path.name for path in (tmp_path / "i").iterdir()}
    answers = written - {"predictions.png", "cases.jsonl", ".lock"}
    assert "cases.jsonl" in written and (answers == {"predictions.csv"} or len(answers) in (count, 5 * count))


A_FOLD = "data.split(@cases, 'validation')"
DATA = {  # the real data of each bundle, and the cases that validate
    "adrenal_ct_classification": ("adrenalmnist3d_64", "@parts[1]"),
    "chest_xray_fewshot_classification": ("MedFMC", "@few_shot.validation"),
    "fundus_dr_classification": ("idrid_grading", A_FOLD),
    "fundus_lesion_segmentation": ("idrid_lesions", A_FOLD),
    "hippocampus_mri_segmentation": ("Task04_Hippocampus", A_FOLD),
}


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLES.iterdir() if path.is_dir()))
def test_real_backbone_and_data(name, request, tmp_path):
    """One epoch of the real thing on a few cases, with relative paths from the repository's root."""
    request.getfixturevalue("backbone_file")
    data, validating = DATA[name]
    data = request.getfixturevalue("real_data")(data)
    out = ["--dataset_dir", str(data), "--models_dir", str(tmp_path), "--output_dir", str(tmp_path)]
    said = monai_bundle(
        "run", "training", "--config_file", f"bundles/{name}/configs/train.json",
        "--epochs", "1", "--val_interval", "1", "--label_fraction", "0.05", *out,
        "--val_cases", f"$data.label_fraction({validating}, 0.1)",
        folder=BUNDLES.parent,
    )  # fmt: skip
    assert "loaded" in said
    assert {"model.pt", "adapter.safetensors", "curves.csv", "curves.png"} <= {path.name for path in tmp_path.iterdir()}
