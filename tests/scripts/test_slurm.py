"""The script for Slurm, with stand-ins for Python and Slurm: which signal goes where, and what is queued again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm" / "train.sbatch"
TRAINING = """#!/usr/bin/env bash
printf '%s\\n' "$@" >"$HOME/words"
[[ -n ${CODE:-} ]] && exit "$CODE"
trap 'sleep 0.3; touch "$HOME/saved"; exit 143' TERM
touch "$HOME/ready"
while true; do sleep 0.02; done
"""
SCONTROL = '#!/usr/bin/env bash\necho "$@" >"$HOME/asked"\n'


@pytest.fixture
def job(tmp_path):
    """`job(...)` starts the script with stand-ins that write into a folder."""
    for name, text in (("training", TRAINING), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def start(**environment):
        known = {"HOME": str(tmp_path), "PYTHON": str(tmp_path / "training"), "SLURM_JOB_ID": "17"}
        path = f"{tmp_path}:{os.environ['PATH']}"
        command = ["bash", str(SCRIPT), "bundles/eyes", "--epochs", "3"]
        return subprocess.Popen(command, env={**os.environ, "PATH": path, **known, **environment})

    return start


def until(path):
    begin = time.monotonic()
    while not path.exists():
        assert time.monotonic() - begin < 20
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_a_signal_reaches_the_training_which_saves(job, tmp_path, number, requeued):
    running = job()
    until(tmp_path / "ready")
    running.send_signal(number)
    assert running.wait(20) == (0 if requeued else 143)
    assert (tmp_path / "saved").exists() and (tmp_path / "asked").exists() == requeued
    if requeued:
        assert (tmp_path / "asked").read_text() == "requeue 17\n"


@pytest.mark.parametrize("code", ["0", "1"])
def test_a_training_that_ends_by_itself(job, tmp_path, code):
    assert job(CODE=code).wait(20) == int(code)
    assert not (tmp_path / "asked").exists()
    words = (tmp_path / "words").read_text().split("\n")
    assert words[:6] == ["-m", "monai.bundle", "run", "training", "--config_file", "bundles/eyes/configs/train.json"]
    assert words[6:10] == ["--resume", "auto", "--epochs", "3"]


def test_a_process_for_each_gpu(job, tmp_path):
    assert job(CODE="0", SLURM_GPUS_ON_NODE="2").wait(20) == 0
    words = (tmp_path / "words").read_text()
    assert "torch.distributed.run\n--standalone\n--nproc_per_node\n2\n" in words
    assert "['bundles/eyes/configs/train.json','bundles/eyes/configs/multi_gpu_train.json']" in words
