"""The owner's command, ended by a signal: saves, says how to go on, and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dvpt_monai.checkpoints import states

pytestmark = pytest.mark.bundle


def training(bundle, folder, *words):
    given = {"dataset_dir": bundle.data, "models_dir": folder / "m", "output_dir": folder / "o", "device": "cpu"}
    given |= {"backbone_weights": "random", "epochs": 40, "val_interval": 1}
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", *bundle.config("train")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *options, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_ends_it_and_it_goes_on(fundus, tmp_path, number, code):
    running, begin = training(fundus, tmp_path), time.monotonic()
    while not (tmp_path / "m" / "model.pt").exists() and time.monotonic() - begin < 200:
        time.sleep(0.05)
    running.send_signal(number)
    out, err = running.communicate(timeout=100)
    assert running.returncode == code, err[-2000:]
    assert "--resume auto goes on" in out + err and "Traceback" not in out + err
    assert len(states(tmp_path / "m" / "resume")) == 1
    if number == signal.SIGUSR1:
        again = training(fundus, tmp_path, "--resume", "auto")
        out, err = again.communicate(timeout=300)
        assert again.returncode == 0 and "Going on " in out + err
        epochs = [line.split(",")[0] for line in (tmp_path / "o" / "curves.csv").read_text().splitlines()[1:]]
        assert epochs == [str(epoch) for epoch in range(1, 41)]
