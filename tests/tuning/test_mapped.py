"""Tensors in a file without a name: the same bits, nothing left behind."""

import copy
import os
import pickle
import resource
import signal

import pytest
import torch

from dvpt_monai.tuning.mapped import mapped

TENSORS = {
    "half": torch.arange(5, dtype=torch.bfloat16) / 3,
    "turned": torch.randn(3, 4).T,
    "count": torch.tensor(7),
    "none": torch.zeros(0, 3),
}


def same(some, others):
    return list(some) == list(others) and all(
        some[key].dtype == value.dtype and torch.equal(some[key], value) for key, value in others.items()
    )


def test_values_are_the_same_and_live_as_long_as_one_of_them(tmp_path):
    there = mapped(TENSORS, tmp_path / "made")
    assert same(there, TENSORS) and list((tmp_path / "made").iterdir()) == []
    assert same(pickle.loads(pickle.dumps(there)), TENSORS) and same(copy.deepcopy(there), TENSORS)
    assert all(each.data_ptr() % 64 == 0 for each in there.values())
    half = there.pop("half")
    del there
    assert torch.equal(half, TENSORS["half"])


def test_what_is_written_stays_with_the_tensor(tmp_path):
    one = mapped(TENSORS, tmp_path)
    one["turned"].zero_()
    assert torch.equal(one["half"], TENSORS["half"]) and not one["turned"].any() and TENSORS["turned"].any()


def test_each_has_a_storage_of_its_own(tmp_path):
    """Or a checkpoint of one would hold them all."""
    for each, value in mapped(TENSORS, tmp_path).items():
        assert value.untyped_storage().nbytes() == TENSORS[each].nbytes


@pytest.mark.parametrize("tensors", [{}, {"none": torch.zeros(0, 3)}], ids=["nothing", "empty"])
def test_without_values(tmp_path, tensors):
    assert same(mapped(tensors, tmp_path), tensors)


def test_a_full_disk_is_an_error_at_once(tmp_path):
    """The limit on a file's size stands for it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            mapped({"large": torch.zeros(5000)}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["writing", "reading"])
def test_a_kill_leaves_nothing_behind(tmp_path, when):
    child = os.fork()
    if not child:
        die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        if when == "writing":
            os.fsync = die
        die(mapped(TENSORS, tmp_path))
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
