"""States of a training survive kills and full disks; the last of them is the one that was said to be saved."""

import os
import random
import resource
import signal
import time

import pytest
import torch

from dvpt_monai import whole_file
from dvpt_monai.checkpoints import KEPT, latest_state, save_state, serialized, states
from dvpt_monai.errors import CheckpointError


def state(number):
    return serialized({"step": number, "values": torch.full((200, 200), float(number))})


def saving_for_ever(folder, said):
    """A process that saves one state after the other, and says of each that it is saved."""
    child = os.fork()
    if child == 0:
        for number in range(1, 100_000):
            save_state(folder, 1, number, state(number))
            os.write(said, number.to_bytes(4, "big"))
    return child


@pytest.mark.slow
def test_two_hundred_kills_leave_what_was_said_to_be_saved(tmp_path):
    moments, steps = random.Random(0), set()
    for kill in range(200):
        folder = tmp_path / str(kill)
        reading, writing = os.pipe()
        child = saving_for_ever(folder, writing)
        first = os.read(reading, 4)
        time.sleep(moments.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as rest:
            last = int.from_bytes((first + rest.read())[-4:], "big")
        _, found = latest_state(folder)
        assert found["step"] in (last, last + 1)
        assert bool((found["values"] == float(found["step"])).all())
        assert len(states(folder)) <= KEPT + 1
        steps.add(last)
    assert len(steps) > 3, "the kills came all at one moment"


def test_a_full_disk_is_an_error_and_leaves_what_was_there(tmp_path):
    save_state(tmp_path, 1, 1, state(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="make room or name another folder with --models_dir"):
            save_state(tmp_path, 1, 2, state(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in states(tmp_path)]
    assert latest_state(tmp_path)[1]["step"] == 1


def test_the_last_two_are_kept_and_those_of_an_earlier_training_go_first(tmp_path):
    for run, step in ((1, 90), (2, 1), (2, 2), (2, 3)):
        save_state(tmp_path, run, step, state(step))
        assert latest_state(tmp_path)[1]["step"] == step
    assert [path.name[6:25] for path in states(tmp_path)] == ["0000000002_00000002", "0000000002_00000003"]


def test_a_state_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_is_said(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(whole_file.os, name, lambda *args, name=name, real=real: done.append(name) or real(*args))
    save_state(tmp_path, 1, 1, state(1))
    assert done == ["fsync", "replace", "fsync"]
