"""Gradients are clipped when the optimizer steps, whatever the scale and the number of batches behind the step."""

from unittest import mock

import pytest
import torch
from ignite.engine import Engine
from monai.engines import IterationEvents, SupervisedTrainer
from torch import nn
from torch.nn.utils import clip_grad_norm_

from dvpt_monai.errors import TuningError
from dvpt_monai.handlers import GradientClip

BATCHES = [
    {"image": torch.randn(2, 3, generator=torch.Generator().manual_seed(index)), "label": torch.full((2, 1), 5.0)}
    for index in range(5)
]
NORM = 0.25


class OldClip(GradientClip):
    """As it was: behind every backward pass."""

    def attach(self, engine):
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, lambda _: clip_grad_norm_(self.parameters, NORM))


def start():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def train(make_optimizer, clip=GradientClip, amp=False, accumulation_steps=1, epochs=1, batches=BATCHES):
    """The weights after a training with MONAI's trainer."""
    network = start()
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=batches,
        network=network,
        optimizer=make_optimizer(network.parameters()),
        loss_function=nn.MSELoss(),
        accumulation_steps=accumulation_steps,
        decollate=False,
    )
    trainer.amp = amp
    if clip is not None:
        clip(network.parameters(), max_norm=NORM).attach(trainer)
    with mock.patch("torch.cuda.amp.GradScaler", lambda: torch.amp.GradScaler("cpu", init_scale=1024.0)):
        trainer.run()
    assert (trainer.scaler is not None and trainer.scaler.is_enabled()) == amp
    return network.state_dict()


def by_hand(make_optimizer, accumulation_steps=1):
    network = start()
    optimizer = make_optimizer(network.parameters())
    for first in range(0, len(BATCHES), accumulation_steps):
        optimizer.zero_grad()
        for batch in BATCHES[first : first + accumulation_steps]:
            loss = nn.functional.mse_loss(network(batch["image"]), batch["label"])
            (loss / accumulation_steps).backward()
        assert clip_grad_norm_(network.parameters(), NORM) > 2 * NORM, "there is something to clip"
        optimizer.step()
    return network.state_dict()


def close(a, b, tolerance=1e-6):
    return all(torch.allclose(value, b[key], rtol=tolerance, atol=tolerance) for key, value in a.items())


OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    # SGD's fused kernel on CPU takes the scale as the others on CUDA do; eps tells scaled gradients from others.
    "fused SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.1, fused=True),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, eps=0.1),
    "fused AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, eps=0.1, fused=True),
}


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.parametrize("accumulation_steps", [1, 2])
@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_is_that_by_hand(optimizer, amp, accumulation_steps):
    make = OPTIMIZERS[optimizer]
    expected = by_hand(make, accumulation_steps)
    assert close(train(make, GradientClip, amp, accumulation_steps), expected)
    assert not close(train(make, None, amp, accumulation_steps), expected, 1e-4)
    right_before = not amp and accumulation_steps == 1
    assert close(train(make, OldClip, amp, accumulation_steps), expected, 1e-4) == right_before


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_that_overflows_is_left_out_as_before(optimizer):
    batches = [{"image": torch.full((2, 3), float("inf")), "label": torch.ones(2, 1)}]
    weights = train(OPTIMIZERS[optimizer], amp=True, batches=batches)
    assert close(weights, start().state_dict())


def test_it_clips_while_the_trainer_runs_and_once_a_step():
    network = start()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    clip = GradientClip(network.parameters(), max_norm=NORM)
    hooks = []

    def engine(crashes=False):
        def step(engine, batch):
            hooks.append(len(optimizer._optimizer_step_pre_hooks))
            if crashes:
                raise RuntimeError("out of memory")

        engine = Engine(step)
        engine.optimizer = optimizer
        clip.attach(engine)
        return engine

    with pytest.raises(RuntimeError, match="out of memory"):
        engine(crashes=True).run([0])
    engine().run([0, 0], max_epochs=2)
    assert hooks == [1] * 5
    assert len(optimizer._optimizer_step_pre_hooks) == 0


def test_zero_switches_off():
    network = start()
    engine = Engine(lambda engine, batch: None)
    GradientClip(network.parameters(), max_norm=0).attach(engine)
    engine.run([0])  # which has no optimizer, and needs none


def test_an_engine_without_an_optimizer_is_refused():
    engine = Engine(lambda engine, batch: None)
    GradientClip(start().parameters()).attach(engine)
    with pytest.raises(TuningError, match="GradientClip: Engine has no optimizer; attach it to a trainer"):
        engine.run([0])
