"""``torchrun`` on a bundle's training, two processes on the CPU: one is killed, and the training goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dvpt_monai.checkpoints import states

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")]

PATIENCE = 60
BATCH = 2
"""Cases of a process in a step."""


@contextmanager
def training(bundle, folder, *words, processes=2):
    """The command of the bundle's page, running; a state is written at every step."""
    files = bundle.config("train", "multi_gpu_train") if processes > 1 else bundle.config("train")
    given = {"dataset_dir": bundle.data, "models_dir": folder / "m", "output_dir": folder / "o", "device": "cpu"}
    given |= {"backbone_weights": "random", "epochs": 5, "val_interval": 1, "resumption#seconds": 0}
    given["batch_size"] = 2 * BATCH // processes
    if processes > 1:
        del given["device"]
        launcher = [Path(sys.executable).with_name("torchrun"), "--standalone", "--nproc_per_node", str(processes)]
    else:
        launcher = [sys.executable]
    command = [*launcher, "-m", "monai.bundle", "run", "training", "--config_file", str(files)]
    command += [word for key, value in given.items() for word in (f"--{key}", str(value))] + list(words)
    alone = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    folder.mkdir(exist_ok=True)
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(command, env={**os.environ, **alone}, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def ends(process, folder, within=300):
    """Its exit code, and all that was said."""
    process.wait(within)
    return process.returncode, (folder / "log.txt").read_text()


def until_there_are_states(process, folder):
    begin = time.monotonic()
    while len(states(folder / "m" / "resume")) < 2:
        assert process.poll() is None and time.monotonic() - begin < 200, (folder / "log.txt").read_text()[-3000:]
        time.sleep(0.02)


def process_of(rank, launcher):
    """The number of the process with a rank, among the children of torchrun."""
    for child in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError("no such process")


def adapter(folder):
    return load_file(folder / "m" / "adapter.safetensors")


@pytest.fixture(scope="module")
def whole(fundus, tmp_path_factory):
    """What a training of two processes gives that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole")
    with training(fundus, folder) as process:
        code, said = ends(process, folder)
    assert code == 0, said[-3000:]
    return folder


@pytest.fixture(scope="module")
def killed(fundus, tmp_path_factory):
    """A training whose second process was killed."""
    folder = tmp_path_factory.mktemp("killed")
    with training(fundus, folder) as process:
        until_there_are_states(process, folder)
        os.kill(process_of(1, process), signal.SIGKILL)
        begin = time.monotonic()
        code, said = ends(process, folder, PATIENCE)
    assert code != 0 and "exitcode  : -9" in said
    assert time.monotonic() - begin < PATIENCE
    return folder


def test_it_goes_on_to_the_bit_after_a_process_was_killed(fundus, whole, killed, tmp_path):
    folder = Path(shutil.copytree(killed, tmp_path / "again"))
    with training(fundus, folder, "--resume", "auto") as process:
        code, said = ends(process, folder)
    assert code == 0 and "Going on " in said, said[-3000:]
    one, other = adapter(whole), adapter(folder)
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert (folder / "o" / "curves.csv").read_text() == (whole / "o" / "curves.csv").read_text()


def test_one_process_goes_on_where_two_were_killed(fundus, whole, killed, tmp_path):
    folder = Path(shutil.copytree(killed, tmp_path / "again"))
    with training(fundus, folder, "--resume", "auto", processes=1) as process:
        code, said = ends(process, folder)
    assert code == 0 and "Going on " in said, said[-3000:]
    one, other = adapter(whole), adapter(folder)
    assert one.keys() == other.keys() and all(torch.allclose(one[key], other[key], atol=1e-4) for key in one)


def test_a_signal_to_torchrun_saves_what_all_processes_know(fundus, whole, tmp_path):
    with training(fundus, tmp_path, "--resumption#seconds", "1000000") as process:
        begin = time.monotonic()
        while not (tmp_path / "m" / "model.pt").exists() and time.monotonic() - begin < 200:
            time.sleep(0.02)
        process.terminate()
        code, said = ends(process, tmp_path, PATIENCE)
    assert code != 0 and "SIGTERM: the state is saved in" in said, said[-3000:]
    assert len(states(tmp_path / "m" / "resume")) == 1
    with training(fundus, tmp_path, "--resume", "auto") as process:
        code, said = ends(process, tmp_path)
    assert code == 0, said[-3000:]
    one, other = adapter(whole), adapter(tmp_path)
    assert all(torch.equal(one[key], other[key]) for key in one)
