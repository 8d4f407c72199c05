"""Real kills at random moments of real processes, until the training is done as if there had been none."""

import os
import random
import signal
import time

import pytest
import torch

from tests.handlers.test_resume import Training

KILLS = 25


def in_a_process(folder, notes, workers):
    """Train on in a process of its own, which notes each step and, in the end, its weights."""
    child = os.fork()
    if child == 0:
        training = Training(folder, "auto", workers=workers)
        with open(notes, "a", buffering=1) as file:
            training.losses = Noted(training, file)
            training.run()
        torch.save(training.weights, f"{notes}.pt")
        os._exit(0)
    return child


class Noted(list):
    """Losses that are written down as they come."""

    def __init__(self, training, file):
        super().__init__()
        self.training, self.file = training, file

    def append(self, loss):
        self.file.write(f"{self.training.trainer.state.iteration} {loss!r}\n")


@pytest.mark.slow
def test_random_kills_change_no_loss_and_no_weight(tmp_path):
    whole = Training(tmp_path / "whole").run()
    moments, kills, trainings = random.Random(0), 0, 0
    while kills < KILLS:
        folder, notes = tmp_path / str(trainings), tmp_path / f"{trainings}.txt"
        trainings += 1
        while not notes.with_name(f"{notes.name}.pt").exists():
            child = in_a_process(folder, notes, workers=moments.choice((0, 2)))
            time.sleep(moments.uniform(0.0, 1.0))
            ended, _ = os.waitpid(child, os.WNOHANG)
            if not ended:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                kills += 1
        steps = [line.split() for line in notes.read_text().splitlines() if line.count(" ") == 1]
        assert {int(step) for step, _ in steps} == set(range(1, len(whole.losses) + 1))
        assert all(float(loss) == whole.losses[int(step) - 1] for step, loss in steps)
        assert torch.equal(torch.load(f"{notes}.pt", weights_only=True), whole.weights)
