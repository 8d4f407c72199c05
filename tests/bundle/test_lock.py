"""Two trainings never write into one folder."""

import os
import signal
import time
from contextlib import contextmanager

import pytest

from dvpt_monai.bundle import lock
from dvpt_monai.errors import BundleError


@contextmanager
def other_training(folder):
    """Another process that trains into a folder, by its id."""
    ready, locked = os.pipe()
    child = os.fork()
    if child == 0:
        lock(folder)
        os.write(locked, b"locked")
        time.sleep(60)
        os._exit(0)
    assert os.read(ready, 6) == b"locked"
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(locked)


def test_the_second_is_refused_until_the_first_ends_however_it_ends(tmp_path):
    with other_training(tmp_path) as child, pytest.raises(BundleError, match=rf"process {child} on .* --models_dir"):
        lock(tmp_path)
    (tmp_path / ".model.part-abc.pt").write_bytes(b"half")
    (tmp_path / "model.pt").write_bytes(b"whole")
    lock(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.suffix == ".pt"} == {"model.pt"}


def test_ranks_of_one_training_do_not_hinder_each_other(tmp_path):
    with other_training(tmp_path):
        lock(tmp_path, rank=1)


def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path):
    (tmp_path / "models").mkdir(mode=0o555)
    if os.access(tmp_path / "models", os.W_OK):
        pytest.skip("nothing is read-only for root; setpriv --bounding-set=-dac_override takes that away")
    with pytest.raises(BundleError, match="cannot be written"):
        lock(tmp_path / "models")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(BundleError, match="models: cannot be written"):
        lock(tmp_path / "models")
