"""Checkpoints that survive kills, full disks and values that are none."""

import math
import os
import random
import resource
import signal
import stat
import time
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.handlers import CheckpointSaver as MonaiCheckpointSaver

from dvpt_monai.errors import CheckpointError
from dvpt_monai.handlers import CheckpointSaver


class Validation:
    """An evaluator whose metric is what it is told."""

    def __init__(self, folder, network, saver=CheckpointSaver):
        self.engine = Engine(lambda engine, batch: None)
        self.engine.state.key_metric_name = "dice"
        self.network = network
        self.saver = saver(
            str(folder), {"model": network}, save_key_metric=True, key_metric_filename="model.pt",
            key_metric_greater_or_equal=True
        )  # fmt: skip
        self.saver.attach(self.engine)

    def score(self, value, weight):
        with torch.no_grad():
            self.network.weight.fill_(weight)
        self.engine.state.metrics = {"dice": value}
        self.engine.run([0])


def weight(folder):
    return torch.load(Path(folder) / "model.pt", weights_only=True)["weight"].flatten()[0].item()


def test_the_best_is_kept_and_a_value_that_is_none_is_worse_than_any(tmp_path):
    validation = Validation(tmp_path, torch.nn.Linear(2, 2))
    validation.score(math.nan, 1.0)
    assert weight(tmp_path) == 1.0
    validation.score(0.5, 2.0)
    validation.score(0.4, 3.0)
    assert weight(tmp_path) == 2.0
    validation.score(math.nan, 4.0)
    assert weight(tmp_path) == 2.0
    validation.score(0.5, 5.0)
    assert weight(tmp_path) == 5.0


def test_a_value_that_is_none_is_warned_of_and_of_such_the_last_network_is_kept(tmp_path, caplog):
    validation = Validation(tmp_path, torch.nn.Linear(2, 2))
    validation.score(math.nan, 1.0)
    validation.score(math.nan, 2.0)
    assert weight(tmp_path) == 2.0 and caplog.text.count("dice has no value: it chooses no network") == 2
    validation.score(0.1, 3.0)
    assert weight(tmp_path) == 3.0 and caplog.text.count("chooses no network") == 2


def test_a_network_that_is_not_finite_is_not_saved(tmp_path):
    validation = Validation(tmp_path, torch.nn.Linear(2, 2))
    validation.score(0.5, 1.0)
    with pytest.raises(CheckpointError, match="weight holds NaN"):
        validation.score(0.6, math.inf)
    assert weight(tmp_path) == 1.0


def test_the_one_before_the_last_is_kept(tmp_path, monkeypatch):
    validation = Validation(tmp_path, torch.nn.Linear(2, 2))
    previous = tmp_path / "model.previous.pt"
    validation.score(0.5, 1.0)
    assert not previous.exists()
    validation.score(0.6, 2.0)
    assert torch.load(previous, weights_only=True)["weight"][0, 0] == 1.0

    def no_links(*_):
        raise OSError("not here")

    monkeypatch.setattr(os, "link", no_links)
    validation.score(0.7, 3.0)
    assert torch.load(previous, weights_only=True)["weight"][0, 0] == 2.0 and weight(tmp_path) == 3.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.previous.pt", "model.pt"]


def test_the_best_value_is_taken_up_again(tmp_path):
    first = Validation(tmp_path, torch.nn.Linear(2, 2))
    first.score(0.5, 1.0)
    second = Validation(tmp_path, torch.nn.Linear(2, 2))
    second.saver.load_state_dict(first.saver.state_dict())
    second.score(0.4, 2.0)
    assert weight(tmp_path) == 1.0


def test_a_best_network_that_is_gone_is_missed(tmp_path):
    """Of a training that goes on in another folder; nothing better may come, and then there would be none."""
    first = Validation(tmp_path / "a", torch.nn.Linear(2, 2))
    first.score(0.5, 1.0)
    second = Validation(tmp_path / "b", torch.nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match=r"b/model\.pt: no such file, but .* chose it, with 0\.5; copy it"):
        second.saver.load_state_dict(first.saver.state_dict())


def test_a_full_disk_leaves_what_was_there(tmp_path):
    validation = Validation(tmp_path, torch.nn.Linear(200, 200))
    validation.score(0.5, 1.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="make room"):
            validation.score(0.6, 2.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert weight(tmp_path) == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        Validation(tmp_path, torch.nn.Linear(2, 2)).score(0.5, 1.0)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.pt").stat().st_mode) == 0o640


def test_a_link_is_replaced_not_written_through(tmp_path):
    elsewhere = tmp_path / "elsewhere.pt"
    elsewhere.write_bytes(b"somebody else's")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.pt").symlink_to(elsewhere)
    Validation(tmp_path / "models", torch.nn.Linear(2, 2)).score(0.5, 1.0)
    assert elsewhere.read_bytes() == b"somebody else's"
    assert weight(tmp_path / "models") == 1.0


def killed_while_saving(folder, saver, after):
    """Save networks of one number in a process of its own, which is killed so many seconds after its first network."""
    child = os.fork()
    if child == 0:
        validation = Validation(folder, torch.nn.Linear(400, 400), saver)
        for number in range(1, 100_000):
            validation.score(float(number), float(number))
    while not (folder / "model.pt").exists():
        time.sleep(0.001)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def is_whole(folder):
    try:
        values = torch.load(folder / "model.pt", weights_only=True)["weight"]
    except Exception:
        return False
    return bool((values == values.flatten()[0]).all())


@pytest.mark.slow
@pytest.mark.parametrize(("saver", "kills"), [(CheckpointSaver, 200), (MonaiCheckpointSaver, 40)])
def test_a_kill_leaves_a_network(tmp_path, saver, kills):
    """MONAI's own saver, the control, loses some."""
    moments = random.Random(0)
    lost = 0
    for number in range(kills):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed_while_saving(folder, saver, moments.uniform(0.0, 0.02))
        lost += not is_whole(folder)
    assert (lost == 0) == (saver is CheckpointSaver), f"{lost} of {kills} lost"
