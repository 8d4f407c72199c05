"""The end of a group of processes: its threads are gone, though the network that it trained is still held."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from dvpt_monai.bundle import leave_processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")


@pytest.fixture
def threads_of_the_group():
    """`threads_of_the_group()` counts them; those that other tests may have left are not its own."""

    def names():
        tasks = Path("/proc/self/task").iterdir()
        return {task.name for task in tasks if "gloo" in (task / "comm").read_text()}

    before = names()
    return lambda: len(names() - before)


@pytest.fixture
def parallel(threads_of_the_group):
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    network = nn.parallel.DistributedDataParallel(nn.Linear(3, 3))
    network(torch.ones(2, 3)).sum().backward()
    assert threads_of_the_group() > 0
    yield network
    if dist.is_initialized():
        dist.destroy_process_group()
    for tie in ("reducer", "logger", "process_group"):
        vars(network).pop(tie, None)
    assert threads_of_the_group() == 0


def test_no_thread_outlives_the_group(parallel, threads_of_the_group):
    leave_processes(parallel)
    assert not dist.is_initialized() and threads_of_the_group() == 0


def test_they_would_with_pytorchs_function_alone(parallel, threads_of_the_group):
    """The control: what the threads let go of while the interpreter ends aborts the process."""
    dist.destroy_process_group()
    assert threads_of_the_group() > 0


def test_a_network_that_is_not_parallel_is_no_obstacle():
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    leave_processes(nn.Linear(3, 3))
    assert not dist.is_initialized()
