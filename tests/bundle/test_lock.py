"""Two trainings never write into one folder."""

import os
import subprocess
import sys

import pytest

from dvpt_monai.bundle import lock
from dvpt_monai.errors import BundleError

TRAINS = """
import sys, time
from dvpt_monai.bundle.lock import lock
lock(sys.argv[1])
print("locked", flush=True)
time.sleep(60)
"""


def other_training(folder):
    child = subprocess.Popen([sys.executable, "-c", TRAINS, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "locked\n"
    return child


def test_the_second_is_refused_until_the_first_ends_however_it_ends(tmp_path):
    child = other_training(tmp_path)
    try:
        with pytest.raises(BundleError, match=rf"process {child.pid} on .* --models_dir"):
            lock(tmp_path)
    finally:
        child.kill()
        child.wait()
    (tmp_path / ".model.part-abc.pt").write_bytes(b"half")
    (tmp_path / "model.pt").write_bytes(b"whole")
    lock(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.suffix == ".pt"} == {"model.pt"}


def test_ranks_of_one_training_do_not_hinder_each_other(tmp_path):
    child = other_training(tmp_path)
    try:
        lock(tmp_path, rank=1)
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path):
    (tmp_path / "models").mkdir(mode=0o555)
    with pytest.raises(BundleError, match="cannot be written"):
        lock(tmp_path / "models")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(BundleError, match="models: cannot be written"):
        lock(tmp_path / "models")
