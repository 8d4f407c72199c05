"""The network inside what PyTorch puts around one to run it: torch.compile, DataParallel, DistributedDataParallel."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from dvpt_monai.errors import TuningError

__all__ = ["unwrap_model"]

COMPILED = "_orig_mod"


def unwrap_model(network: nn.Module, changes: str = "") -> nn.Module:
    """The network itself, under any number of wrappers, whose tensors have their plain names.

    Args:
        network: with wrappers or without.
        changes: the name of the caller, if it adds or removes parameters: ``DistributedDataParallel`` keeps those equal
            on all processes that were there when it was made, and no others.

    Raises:
        TuningError: ``changes`` is given and a ``DistributedDataParallel`` is among the wrappers.

    Example:
        >>> from torch import nn
        >>> from dvpt_monai.tuning import unwrap_model
        >>> unwrap_model(nn.DataParallel(nn.ReLU()))
        ReLU()
    """
    while True:
        if isinstance(network, DistributedDataParallel) and changes:
            raise TuningError(
                f"{changes}: DistributedDataParallel does not follow parameters that come or go; "
                f"{changes} the network first, then wrap it"
            )
        children = dict(network.named_children())
        if isinstance(network, (DataParallel, DistributedDataParallel)):
            network = network.module
        elif COMPILED in children:
            network = children[COMPILED]
        else:
            return network
