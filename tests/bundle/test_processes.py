"""The end of a group of processes: its threads are gone, though the network that it trained is still held."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from dvpt_monai.bundle import leave_processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")


def threads_of_the_group():
    names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    return sum("gloo" in name for name in names)


@pytest.fixture
def parallel():
    before = threads_of_the_group()
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    network = nn.parallel.DistributedDataParallel(nn.Linear(3, 3))
    network(torch.ones(2, 3)).sum().backward()
    assert threads_of_the_group() > before
    yield network
    if dist.is_initialized():
        dist.destroy_process_group()
    for tie in ("reducer", "logger", "process_group"):
        vars(network).pop(tie, None)
    assert threads_of_the_group() == before


def test_no_thread_outlives_the_group(parallel):
    leave_processes(parallel)
    assert not dist.is_initialized() and threads_of_the_group() == 0


def test_they_would_with_pytorchs_function_alone(parallel):
    """The control: what the threads let go of while the interpreter ends aborts the process."""
    dist.destroy_process_group()
    assert threads_of_the_group() > 0


def test_a_network_that_is_not_parallel_is_no_obstacle():
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    leave_processes(nn.Linear(3, 3))
    assert not dist.is_initialized()
