"""A training goes on to the bit where it was interrupted."""

import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

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
from dvpt_monai.handlers import AveragedWeights, Resume
from dvpt_monai.inferers import Autocast
from dvpt_monai.optimizers import one_cycle
from dvpt_monai.tuning.trains import trained_tensors

EPOCHS, BATCH, CASES = 3, 2, 7
REPOSITORY = Path(__file__).parents[2]


class Killed(BaseException):
    pass


class Training:
    """A small training whose network has dropout and whose images are flipped and noisy."""

    def __init__(
        self, folder, resume="never", workers=0, seconds=0.0, loader=ReplayLoader, ema=0.0, scaler=False,
        precision="float32", method=None, named=(), **settings
    ):  # fmt: skip
        torch.manual_seed(1)
        network = ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=12, mlp_dim=8,
                                num_layers=2, num_heads=2, head_dropout=0.2)  # fmt: skip
        self.network = tune(network, method or DVPT(num_prompts=2, bottleneck=2))
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
            inferer=Autocast(SimpleInferer(), precision),
            decollate=False,
            train_handlers=[
                LrScheduleHandler(schedule, print_lr=False, epoch_level=False),
                ValidationHandler(1, evaluator),
            ],
        )
        if scaler:  # on a CPU MONAI's own, which each run makes anew, is switched off
            self.trainer.amp = True
            self.trainer.add_event_handler(Events.STARTED, self._scale)
        averaged = [AveragedWeights(self.network, ema, evaluator)] if ema else []
        for handler in averaged:
            handler.attach(self.trainer)
        self.seen = []
        evaluator.add_event_handler(Events.ITERATION_STARTED(once=1), lambda e: self.seen.append(self.weights))
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._note)
        self.resume = Resume(folder, self.network, optimizer, schedule, evaluator, averaged, named, resume=resume,
                             settings={"seed": 3, **settings}, seconds=seconds)  # fmt: skip
        self.resume.attach(self.trainer)

    def _scale(self, engine):
        engine.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=3)

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


@pytest.mark.parametrize(
    "options",
    [{"ema": 0.5}, {"precision": "bfloat16"}, {"scaler": True}, {"ema": 0.999, "precision": "bfloat16"}],
    ids=str,
)
@pytest.mark.parametrize("kill", [3, 8])
@pytest.mark.filterwarnings("ignore")  # PyTorch's, of the scaler that is switched off
def test_averages_and_scaler_go_on_too(tmp_path, options, kill):
    whole = Training(tmp_path / "whole", **options).run()
    killed = Training(tmp_path / "killed", **options).run(kill)
    again = Training(tmp_path / "killed", "auto", **options).run()
    assert killed.losses + again.losses == whole.losses
    assert torch.equal(again.weights, whole.weights)
    if "ema" in options:
        assert torch.equal(again.seen[-1], whole.seen[-1]) and not torch.equal(whole.seen[-1], whole.weights)
    if "scaler" in options:
        assert whole.trainer.scaler.state_dict() == again.trainer.scaler.state_dict()
        assert whole.trainer.scaler.get_scale() == 4.0 * 2 ** (STEPS // 3)  # it grew, so it has a state to lose


def test_a_signal_in_the_validation_saves_the_weights_that_train(tmp_path):
    """Not the averages, which are in the network then."""
    whole = Training(tmp_path / "whole", ema=0.9).run()
    training = Training(tmp_path / "a", seconds=1e6, ema=0.9)
    assert ended_by(training, signal.SIGTERM, "validation ITERATION_STARTED", 8) == 143
    again = Training(tmp_path / "a", "auto", ema=0.9).run()
    assert training.losses + again.losses == whole.losses
    assert torch.equal(again.weights, whole.weights) and torch.equal(again.seen[-1], whole.seen[-1])


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


SIGNALS = [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT]


def ended_by(training, number, event, when):
    """Run a training that gets a signal at an event of its own or of its validation, and how it ends."""
    engine, before = (training.trainer, training.resume.evaluator), [signal.getsignal(each) for each in SIGNALS]

    def at(_):
        if training.trainer.state.iteration == when:
            os.kill(os.getpid(), number)

    engine[event.startswith("validation")].add_event_handler(getattr(Events, event.split()[-1]), at)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as ended:
        training.run()
    assert [signal.getsignal(each) for each in SIGNALS] == before
    return getattr(ended.value, "code", None)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_saves_within_a_step(whole, tmp_path, number, caplog):
    training = Training(tmp_path, seconds=1e6)
    assert ended_by(training, number, "ITERATION_STARTED", 6) == (None if number == signal.SIGINT else 143)
    assert f"{signal.Signals(number).name}: the state is saved in {tmp_path}; --resume auto goes on" in caplog.text
    again = Training(tmp_path, "auto").run()
    assert training.losses + again.losses == whole.losses


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_the_validation_saves_and_the_validation_is_done_again(whole, tmp_path, number):
    training = Training(tmp_path, seconds=1e6)
    assert ended_by(training, number, "validation ITERATION_STARTED", 8) == (None if number == signal.SIGINT else 143)
    assert training.validated == [1] and training.resume.evaluator.state.iteration == 1  # it is cut short
    again = Training(tmp_path, "auto").run()
    assert again.validated == [2, 3]
    assert training.losses + again.losses == whole.losses
    assert torch.equal(again.weights, whole.weights)


def test_a_signal_that_ends_a_worker_of_the_validation_saves_too(whole, tmp_path):
    training = Training(tmp_path, seconds=1e6)

    def lost(engine):
        if training.trainer.state.iteration == 8:
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Terminated.")

    training.resume.evaluator.add_event_handler(Events.ITERATION_STARTED, lost)
    with pytest.raises(SystemExit):
        training.run()
    again = Training(tmp_path, "auto").run()
    assert training.losses + again.losses == whole.losses


def test_the_second_ctrl_c_does_not_wait(tmp_path):
    training = Training(tmp_path, seconds=1e6)

    def at(engine):
        if engine.state.iteration == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    training.trainer.add_event_handler(Events.ITERATION_STARTED, at)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    assert len(training.losses) == 1 and not states(tmp_path)


def test_a_training_that_raises_gives_the_signals_back(tmp_path):
    training = Training(tmp_path)
    before = [signal.getsignal(each) for each in SIGNALS]

    def at(engine):
        assert [signal.getsignal(each) for each in SIGNALS] != before
        raise ZeroDivisionError("a step")

    training.trainer.add_event_handler(Events.ITERATION_STARTED, at)
    with pytest.raises(ZeroDivisionError, match="a step"):
        training.run()
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_signal_for_the_whole_group_leaves_the_workers_alone():
    """Slurm sends it to every process of a step; a worker that died of it would end the step before it is done."""
    loader = ReplayLoader(Dataset(list(range(6)), lambda case: (os.getpid(), case)), num_workers=1)
    seen = []
    for (worker,), case in loader:
        assert int(worker) != os.getpid()
        for number in SIGNALS:
            os.kill(int(worker), number)
        seen.append(int(case))
    assert seen == list(range(6))


@pytest.mark.slow
def test_an_error_leaves_no_process_that_waits_for_its_workers(tmp_path):
    """The traceback of the error keeps the loader, and that its workers, until Python ends."""
    script = tmp_path / "script.py"
    script.write_text(
        "from dvpt_monai.data.replay import ReplayLoader\n"
        "if __name__ == '__main__':\n"
        "    batches = iter(ReplayLoader(range(1000), num_workers=2))\n"
        "    next(batches)\n"
        "    raise ValueError('a case')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=REPOSITORY, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(REPOSITORY)})  # fmt: skip
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "ValueError: a case"


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


def test_a_training_of_before_an_argument_of_its_method_goes_on(tmp_path):
    whole = Training(tmp_path / "whole").run()
    begun = Training(tmp_path / "begun")
    assert begun.resume.settings["method"].pop("gate") == 1.0
    begun.run(3)
    assert begun.losses[:3] + Training(tmp_path / "begun", "auto").run().losses == whole.losses
    lists = Training(tmp_path / "lists")  # as JSON has what a method keeps as a tuple, or the other way round
    lists.resume.settings["method"]["layers"] = [0]
    lists.run(3)
    again = Training(tmp_path / "lists", "auto")
    again.resume.settings["method"]["layers"] = (0,)
    assert lists.losses[:3] + again.run().losses == whole.losses
    begun = Training(tmp_path / "other")
    begun.resume.settings["method"]["gate"] = 0.1
    begun.run(3)
    with pytest.raises(CheckpointError, match=r"method .*'gate': 0\.1"):
        Training(tmp_path / "other", "auto").run()


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
    other = Training(tmp_path, "auto", learning_rate=0.1)
    with pytest.raises(CheckpointError, match="format 1, this version reads 2"):
        other.resume._load(other.trainer, {**latest_state(tmp_path)[1], "format": 1})


def test_another_list_of_cases_is_refused_by_name(tmp_path):
    names = [{"image": f"{number}.png"} for number in range(4)]
    Training(tmp_path, named=names).run(3)
    with pytest.raises(CheckpointError, match="there has cases 4, this one 3; give it as it was"):
        Training(tmp_path, "auto", named=names[:3]).run()
    with pytest.raises(CheckpointError, match=r"there has list of cases .*; give it as it was"):
        Training(tmp_path, "auto", named=[*names[:3], {"image": "4.png"}]).run()
    Training(tmp_path, "auto", named=names).run()


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


@pytest.mark.parametrize("way", ["auto", "never", "path"])
def test_states_of_a_later_training_do_not_replace_those_of_this_one(whole, tmp_path, monkeypatch, way):
    """Whatever the clock says, and where a state is named: what was saved last is what goes on."""
    Training(tmp_path / "elsewhere").run(5)
    with monkeypatch.context() as clock:
        clock.setattr("dvpt_monai.checkpoints.time.time", lambda: 9e9)
        Training(tmp_path / "here", seconds=0.0).run(3 if way == "auto" else 9)
    resume = str(states(tmp_path / "elsewhere")[-1]) if way == "path" else way
    killed = Training(tmp_path / "here", resume).run(7)
    again = Training(tmp_path / "here", "auto").run()
    assert (killed.losses + again.losses)[-len(again.losses) - 1 :] == whole.losses[6:]
    assert len(again.losses) == len(whole.losses) - 7
    assert torch.equal(again.weights, whole.weights)


def test_nothing_there_begins(whole, tmp_path):
    assert Training(tmp_path, "auto").run().losses == whole.losses


def test_generators_outside_do_not_move(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    list(ReplayLoader(list(range(5)), shuffle=True, batch_size=2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
