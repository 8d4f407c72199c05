"""The end of a group of processes that trained together."""

from __future__ import annotations

import torch.distributed as dist
from torch import nn

__all__ = ["leave_processes"]


def leave_processes(parallel: nn.Module) -> None:
    """Leave the group of processes, as ``torch.distributed.destroy_process_group`` does where nothing else holds it.

    A ``DistributedDataParallel`` holds it: the group's threads outlive ``destroy_process_group`` then, and where one
    of them lets go of a tensor of Python's while the interpreter ends, the process aborts ("terminate called without
    an active exception") and ``torchrun`` calls the whole training failed
    (https://github.com/pytorch/pytorch/pull/179291). So what ties the network to the group goes first, which is what
    PyTorch itself leaves out of a pickled one. In this order a Python object holds the group last, which lets the
    threads finish as it goes: a ``DistributedDataParallel`` that is freed after its group waits for such a thread,
    which waits for Python, and hangs.

    Args:
        parallel: the network that was trained; it cannot be trained after.

    Example:
        >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
        >>> leave_processes(nn.parallel.DistributedDataParallel(nn.Linear(2, 2)))
        >>> dist.is_initialized()
        False
    """
    for tie in ("reducer", "logger", "process_group"):
        vars(parallel).pop(tie, None)
    dist.destroy_process_group()
