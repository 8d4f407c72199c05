"""A training goes on to the bit where it was interrupted."""

import logging
import os
import signal
from contextlib import suppress

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, ValidationHandler
from monai.inferers import SimpleInferer
from monai.transforms import Compose, RandFlipd, RandGaussianNoised
from torch import nn

from dvpt_monai import DVPT, LoRA, ViTClassifier, parameter_groups, tune
from dvpt_monai.checkpoints import latest_state, states
from dvpt_monai.data.replay import ReplayLoader
from dvpt_monai.errors import BackboneMismatchError, CheckpointError
from dvpt_monai.handlers import Resume
from dvpt_monai.optimizers import one_cycle
from dvpt_monai.tuning.trains import trained_tensors

EPOCHS, BATCH, CASES = 3, 2, 7


class Killed(BaseException):
    pass


class Training:
    """A small training whose network has dropout and whose images are flipped and noisy."""

    def __init__(self, folder, resume="never", workers=0, seconds=0.0, loader=ReplayLoader, **settings):
        torch.manual_seed(1)
        network = ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                                num_layers=2, num_heads=2, head_dropout=0.2)  # fmt: skip
        self.network = tune(network, DVPT(num_prompts=2, bottleneck=2))
        generator = torch.Generator().manual_seed(0)
        cases = [{"image": torch.rand(1, 16, 16, generator=generator), "label": i % 2} for i in range(CASES)]
        random = Compose([RandFlipd("image", prob=0.5, spatial_axis=0), RandGaussianNoised("image", prob=0.5)])
        given = {"seed": 3} if loader is ReplayLoader else {}
        self.loader = loader(Dataset(cases, random), shuffle=True, batch_size=BATCH, num_workers=workers, **given)
        optimizer = torch.optim.AdamW(parameter_groups(self.network, 1e-2))
        schedule = one_cycle(optimizer, EPOCHS * len(self.loader))
        self.losses, self.validated = [], []
        evaluator = SupervisedEvaluator(torch.device("cpu"), DataLoader(Dataset(cases)), self.network)
        evaluator.add_event_handler(Events.COMPLETED, lambda e: self.validated.append(self.trainer.state.epoch))
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=EPOCHS,
            train_data_loader=self.loader,
            network=self.network,
            optimizer=optimizer,
            loss_function=nn.CrossEntropyLoss(),
            inferer=SimpleInferer(),
            decollate=False,
            train_handlers=[
                LrScheduleHandler(schedule, print_lr=False, epoch_level=False),
                ValidationHandler(1, evaluator),
            ],
        )
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._note)
        self.resume = Resume(folder, self.network, optimizer, schedule, evaluator, settings={"seed": 3, **settings},
                             resume=resume, seconds=seconds)  # fmt: skip
        self.resume.attach(self.trainer)

    def _note(self, engine):
        self.losses.append(float(engine.state.output["loss"]))

    def run(self, kill=None):
        if kill is not None:

            def at(engine):
                if engine.state.iteration == kill:
                    raise Killed

            self.trainer.add_event_handler(Events.ITERATION_COMPLETED, at)
        with suppress(Killed):
            self.trainer.run()
        return self

    @property
    def weights(self):
        return torch.cat([value.detach().flatten().float() for value in trained_tensors(self.network).values()])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return Training(tmp_path_factory.mktemp("whole")).run()


STEPS = EPOCHS * -(-CASES // BATCH)


@pytest.mark.parametrize("kill", range(1, STEPS + 1))
def test_every_step_is_a_place_to_go_on(whole, tmp_path, kill):
    killed = Training(tmp_path).run(kill)
    assert killed.losses == whole.losses[:kill]
    again = Training(tmp_path, "auto").run()
    assert killed.losses + again.losses == whole.losses
    assert torch.equal(again.weights, whole.weights)
    assert sorted({*killed.validated, *again.validated}) == [1, 2, 3]


def test_workers_change_nothing(whole, tmp_path):
    killed = Training(tmp_path, workers=2).run(5)
    again = Training(tmp_path, "auto").run()
    assert killed.losses + again.losses == whole.losses
    assert torch.equal(again.weights, whole.weights)


def test_the_test_can_fail(tmp_path):
    """With MONAI's own loader a training that is taken up differs, and that is said before the first step."""
    Training(tmp_path / "a").run(5)
    with pytest.raises(CheckpointError, match="ReplayLoader"):
        Training(tmp_path / "a", "auto", loader=DataLoader).run()
    one, other = Training(tmp_path / "b"), Training(tmp_path / "b")
    other.loader.course.seed = other.loader.dataset.seed = 4
    assert one.run().losses != other.run().losses


def test_a_kill_in_the_validation_repeats_it(whole, tmp_path):
    killed = Training(tmp_path)

    def at(engine):
        if killed.trainer.state.epoch == 2:
            raise Killed

    killed.resume.evaluator.add_event_handler(Events.ITERATION_STARTED, at)
    killed.run()
    assert killed.validated == [1]
    again = Training(tmp_path, "auto").run()
    assert again.validated == [2, 3]
    assert killed.losses + again.losses == whole.losses


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_within_a_step(whole, tmp_path, number):
    training = Training(tmp_path, seconds=1e6)
    before = signal.getsignal(number)

    def at(engine):
        if engine.state.iteration == 6:
            os.kill(os.getpid(), number)

    training.trainer.add_event_handler(Events.ITERATION_STARTED, at)
    with pytest.raises(SystemExit) as ended:
        training.run()
    assert ended.value.code == 143
    assert signal.getsignal(number) is before
    again = Training(tmp_path, "auto").run()
    assert training.losses + again.losses == whole.losses


def test_the_state_before_a_damaged_one_serves(whole, tmp_path, caplog):
    killed = Training(tmp_path).run(6)
    assert len(states(tmp_path)) == 2
    last = states(tmp_path)[-1]
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = Training(tmp_path, "auto").run()
    assert last.name in caplog.text
    assert killed.losses[:5] + again.losses == whole.losses
    for path in states(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="all states in it are damaged"):
        latest_state(tmp_path)


def test_another_training_is_refused_by_name(tmp_path):
    Training(tmp_path, learning_rate=0.1).run(3)
    with pytest.raises(CheckpointError, match=r"learning_rate 0\.1, this one 0\.2"):
        Training(tmp_path, "auto", learning_rate=0.2).run()
    other = Training(tmp_path, "auto", learning_rate=0.1)
    other.resume.settings["method"] = LoRA().arguments()
    with pytest.raises(CheckpointError, match=r"method .*'DVPT'.*, this one .*'LoRA'"):
        other.run()
    other = Training(tmp_path, "auto", learning_rate=0.1)
    with torch.no_grad():
        other.network.vit.blocks[0].attn.qkv.weight.mul_(1.01)
    with pytest.raises(BackboneMismatchError, match=r"qkv\.weight differs"):
        other.run()
    with pytest.raises(CheckpointError, match="no such file"):
        Training(tmp_path, str(tmp_path / "gone.pt")).run()


def test_what_is_finished_is_not_trained_again(tmp_path):
    whole = Training(tmp_path).run()
    again = Training(tmp_path, "auto").run()
    assert again.losses == []
    assert torch.equal(again.weights, whole.weights)


def test_beginning_anew_says_what_was_there(tmp_path, caplog):
    Training(tmp_path).run(3)
    with caplog.at_level(logging.WARNING):
        Training(tmp_path).run(1)
    assert "--resume auto goes on" in caplog.text


def test_nothing_there_begins(whole, tmp_path):
    assert Training(tmp_path, "auto").run().losses == whole.losses


def test_generators_outside_do_not_move(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    list(ReplayLoader(list(range(5)), shuffle=True, batch_size=2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
