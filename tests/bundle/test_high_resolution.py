"""448 and 672 px on a small machine: positions are interpolated once, and the memory stays small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dvpt_monai import ViTEncoder
from dvpt_monai.networks import vit
from dvpt_monai.networks.pretrained import adapt
from tests.conftest import BUNDLES, NETWORK

SIDE = {"_target_": "dvpt_monai.SideDVPT"}
GIB = 4


def counted(function, seen, what):
    """The function, which notes `what` of its arguments."""

    def call(*args, **kwargs):
        seen.append(what(*args, *kwargs.values()))
        return function(*args, **kwargs)

    return call


@pytest.mark.bundle
def test_positions_are_interpolated_once(fundus, tmp_path, monkeypatch):
    """When the backbone is loaded, and by no step, validation, evaluation or inference behind it."""
    grids, channels = [], []
    for module in (adapt, vit):
        monkeypatch.setattr(module, "resize_positions", counted(module.resize_positions, grids, lambda x, *on: on[:2]))
    name, module = "interpolate", torch.nn.functional
    monkeypatch.setattr(module, name, counted(getattr(module, name), channels, lambda input, *_: input.shape[1]))
    backbone = ViTEncoder(in_channels=3, img_size=56, patch_size=14, num_registers=4, **NETWORK)
    torch.save(backbone.state_dict(), tmp_path / "vit.pt")
    given = {"method": SIDE, "image_size": 224, "tap": "$None", "models_dir": str(tmp_path)}
    loaded = {"backbone_weights": str(tmp_path / "vit.pt"), "output_dir": str(tmp_path)}
    fundus.run("train", **given, **loaded, cache_features=2, cache_dir=str(tmp_path / "features"), epochs=3)
    assert [tuple(map(tuple, pair)) for pair in grids] == [((4, 4), (16, 16))]
    assert set(channels) == {3, NETWORK["hidden_size"]} and channels.count(NETWORK["hidden_size"]) == 1
    fundus.run("train", "evaluate", **given, **loaded)
    given["checkpoint"] = f"{given.pop('models_dir')}/model.pt"
    fundus.run("inference", **given, output_dir=str(tmp_path / "predicted"))
    assert len(grids) == 1 and channels.count(NETWORK["hidden_size"]) == 1


@pytest.mark.bundle
@pytest.mark.slow
@pytest.mark.parametrize("size", [448, pytest.param(672, marks=pytest.mark.product)])
def test_a_small_machine_is_enough(fundus, tmp_path, size, capsys):
    """The bundle as it is, all twelve blocks of ViT-S, eight images."""
    config = BUNDLES / "fundus_dr_classification" / "configs" / "train.json"
    given = {"dataset_dir": fundus.data, "models_dir": tmp_path, "output_dir": tmp_path, "cache_dir": tmp_path / "c"}
    given |= {"method": SIDE, "tap": "$None", "image_size": size, "cache_features": 1, "epochs": 1, "device": "cpu"}
    given |= {"train_cases": "$@pool[:6]", "val_cases": "$@cases[-2:]", "backbone_weights": "random"}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", str(config), *words]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (tmp_path / "log").read_text()[-3000:]
    took = usage.ru_maxrss / 2**20
    with capsys.disabled():
        print(f"\n{size} px: {took:.2f} GiB")
    assert (tmp_path / "adapter.safetensors").is_file() and took < GIB
