"""The owner's command with a cache, killed while it fills that and while it trains, ends as if nothing had happened."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = [pytest.mark.bundle, pytest.mark.slow]
EPOCHS = 6
COMMAND = """
import runpy, sys, time
import dvpt_monai.features.cache as cache
from dvpt_monai.features.store import Store
cache.SHARD, write = 1, Store.write
Store.write = lambda store, entries: (write(store, entries), time.sleep({seconds}))
sys.argv = ["monai.bundle", *sys.argv[1:]]
runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
"""
"""What `python -m monai.bundle` runs, with a shard for each case, and time to be killed behind it."""


@pytest.fixture
def start(fundus, tmp_path):
    """Start the command in a folder; `seconds` pass behind each shard."""

    def run(folder, *words, seconds=0.0):
        given = {"dataset_dir": fundus.data, "models_dir": folder / "models", "output_dir": folder / "output"}
        given |= {"cache_features": 2, "cache_dir": folder / "features", "epochs": EPOCHS, "val_interval": 1}
        given |= {"backbone_weights": "random", "device": "cpu", "resumption#seconds": 0}
        given |= {"method": "{'_target_': 'dvpt_monai.LoRA', 'layers': [1], 'rank': 2}"}
        options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-c", COMMAND.format(seconds=seconds), "run", "training", "--config_file"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([*command, *fundus.config("train"), *options, *words], env=environment, **pipes)

    return run


def killed(running, ready):
    """Kill it as soon as something is there."""
    until = time.monotonic() + 200
    while not ready() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert ready() and running.poll() is None, running.communicate()[0][-3000:]
    running.kill()
    return running.communicate()[0]


def done(running):
    printed = running.communicate(timeout=300)[0]
    assert running.returncode == 0, printed[-3000:]
    return printed


def shards(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("features/*/[!.]*.safetensors")}


def test_it_goes_on_to_the_bit(start, tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    done(start(whole))
    complete = len(shards(whole))

    killed(start(folder, seconds=0.2), lambda: len(shards(folder)) >= 4)
    kept = shards(folder)
    assert 4 <= len(kept) < complete
    killed(start(folder, "--resume", "auto"), lambda: len(list(folder.glob("models/resume/*.pt"))) >= 2)
    filled = shards(folder)
    assert kept.items() < filled.items() and len(filled) == complete  # those from before are the same files
    curves = folder / "output" / "curves.csv"
    assert not curves.is_file() or len(curves.read_text().splitlines()) < 1 + EPOCHS

    printed = done(start(folder, "--resume", "auto"))
    assert "Going on " in printed and "Reading" in printed
    assert shards(folder) == filled
    one, other = (load_file(each / "models" / "adapter.safetensors") for each in (whole, folder))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert curves.read_text() == (whole / "output" / "curves.csv").read_text()
