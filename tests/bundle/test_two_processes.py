"""Two processes on the CPU give what one gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import SAMPLED

pytestmark = pytest.mark.bundle


def together(bundle, *names, fails=False, processes=2, **overrides):
    """Run configs in several processes, as the bundles' pages say."""
    given = {"dataset_dir": bundle.data, "backbone_weights": "random", **bundle.overrides, **overrides}
    files = "[" + ",".join(repr(path) for path in bundle.config(*names)) + "]"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += ["-m", "monai.bundle", "run", "--config_file", files]
    command += [word for key, value in given.items() for word in (f"--{key}", str(value))]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    alone = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run(command, env={**os.environ, **alone}, capture_output=True, text=True, timeout=300)
    if fails:
        assert done.returncode != 0
        return done.stderr
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("trained", SAMPLED, indirect=True)
def test_evaluation_gives_the_tables_of_one_process(trained, tmp_path):
    compare_tables(trained, tmp_path, processes=2)


def test_so_does_one_of_three_processes(trained_fundus, tmp_path):
    compare_tables(trained_fundus, tmp_path, processes=3)


def compare_tables(trained, tmp_path, processes):
    """Also where the cases divide unequally: the tables hold every case once, in order."""
    alone, several = tmp_path / "alone", tmp_path / "several"
    trained.run("train", "evaluate", output_dir=str(alone))
    together(trained, "train", "evaluate", "multi_gpu_evaluate", output_dir=several, processes=processes)
    metrics, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (several, alone))
    drawn, expected_drawn = metrics.pop("intervals"), expected.pop("intervals")
    # equal to 1e-6, and written with six digits, of which the last may differ
    scores, expected_scores = metrics.pop("scores"), expected.pop("scores")
    assert scores == pytest.approx(expected_scores, abs=1.5e-6) and len(scores) > 5
    assert metrics == pytest.approx(expected, abs=1.5e-6) and drawn.keys() == expected_drawn.keys() != set()
    for name, ends in drawn.items():
        assert ends == pytest.approx(expected_drawn[name], abs=1.5e-6), name
    [table] = [name for name in ("predictions.csv", "cases.csv") if (alone / name).is_file()]
    lines, expected = ((folder / table).read_text().splitlines() for folder in (several, alone))
    assert len(lines) > 2
    assert [line.split(",")[0] for line in lines] == [line.split(",")[0] for line in expected]


def test_training_writes_one_checkpoint_that_one_process_can_load(fundus, tmp_path):
    models = tmp_path / "models"
    said = together(fundus, "train", "multi_gpu_train", output_dir=tmp_path / "output", models_dir=models)
    assert said.count("Key metric: quadratic_kappa best value") == fundus.overrides["epochs"]  # not twice as many
    state = torch.load(models / "model.pt", weights_only=True)
    assert not any(key.startswith("module.") for key in state)
    evaluated = fundus.run("train", "evaluate", models_dir=str(models), output_dir=str(tmp_path / "alone"))
    assert evaluated.parser.get_parsed_content("network").state_dict().keys() == state.keys()
    assert (models / "adapter.safetensors").is_file() and (tmp_path / "output" / "curves.png").is_file()


def test_another_method_than_the_trainings_is_refused(trained_fundus, tmp_path):
    said = together(
        trained_fundus, "train", "evaluate", "multi_gpu_evaluate", fails=True, output_dir=tmp_path, method="LoRA"
    )
    assert "error: " in said and "was trained with another method or other arguments; add --method SideDVPT" in said


def test_processes_share_a_cache(fundus, tmp_path):
    """Both train and validate from it, to the adapter of two processes that read images with the same draws."""
    where = {"method": "{'_target_':'dvpt_monai.LoRA','layers':[1]}", "cache_dtype": "float32", "epochs": 1}
    where["cache_dir"] = tmp_path / "features"
    for name, options in (("cached", {"cache_features": 2}), ("plain", {"train#dataloader#views": 2})):
        out = {"models_dir": tmp_path / name, "output_dir": tmp_path / name / "output"}
        together(fundus, "train", "multi_gpu_train", **where, **out, **options)
    one, other = (load_file(tmp_path / name / "adapter.safetensors") for name in ("cached", "plain"))
    assert len(list((tmp_path / "features").iterdir())) == 2
    assert all(torch.allclose(one[key], other[key], atol=1e-4) for key in one)
