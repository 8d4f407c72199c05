"""The bytes of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["content"]


def content(tensor: Tensor) -> memoryview:
    r"""The bytes of a tensor's values, in their order; on the CPU without a copy where they lie in that order.

    Example:
        >>> content(torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).T).tobytes()
        b'\x01\x03\x02\x04'
    """
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
