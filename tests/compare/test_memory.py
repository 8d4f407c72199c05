import pytest
import torch
from ignite.engine import Engine

from dvpt_monai.compare.memory import PeakMemory

MB = 2**20


def peak(width, steps=2):
    network = torch.nn.Linear(width, width, bias=False)
    optimizer = torch.optim.AdamW(network.parameters())

    def step(engine, batch):
        optimizer.zero_grad()
        network(batch).sum().backward()
        optimizer.step()

    trainer = Engine(step)
    memory = PeakMemory(network, optimizer)
    memory.attach(trainer)
    trainer.run([torch.ones(1, width)] * steps)
    return memory.bytes


def test_weights_gradients_and_the_optimizer_s_state_are_counted():
    """1024 x 1024 weights of four bytes: weights, two moments, a gradient, and what AdamW needs to add them."""
    assert 4 * 4 * MB <= peak(1024) <= 8 * 4 * MB


def test_a_training_of_one_step_is_not_measured():
    assert peak(8, steps=1) == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_whole_training_is_measured():
    network = torch.nn.Linear(1024, 1024, bias=False, device="cuda")
    memory = PeakMemory(network, torch.optim.AdamW(network.parameters()))
    trainer = Engine(lambda engine, batch: network(batch).sum().backward())
    memory.attach(trainer)
    trainer.run([torch.ones(1, 1024, device="cuda")] * 2)
    assert memory.bytes >= 8 * MB
