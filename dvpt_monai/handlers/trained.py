"""What of a network a training changes."""

from __future__ import annotations

from torch import Tensor, nn

from dvpt_monai.tuning.trains import recorded, trained_tensors

__all__ = ["trained"]


def trained(network: nn.Module) -> dict[str, Tensor]:
    """The tensors that a training changes, by name; of a network that is not tuned all of them.

    Example:
        >>> list(trained(nn.Linear(1, 1)))
        ['weight', 'bias']
    """
    return trained_tensors(network) if recorded(network) else dict(network.state_dict(keep_vars=True))
