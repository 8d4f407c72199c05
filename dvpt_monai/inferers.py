"""Mixed precision around any inferer, on CPU and GPU alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

__all__ = ["Autocast"]


class Autocast(Inferer):
    """Run another inferer under ``torch.autocast`` and give its predictions in float32.

    The ``amp`` of MONAI's engines works on CUDA only; bfloat16 also speeds up a CPU that has it, and needs no scaling
    of the loss.

    Args:
        inferer: what runs the network.
        dtype: ``"bfloat16"``, or ``"float32"`` for no autocast at all.
        device: where the network is.

    Raises:
        ValueError: on another dtype; float16 would need a scaled loss.

    Example:
        >>> from monai.inferers import SimpleInferer
        >>> layer = torch.nn.Linear(2, 3)
        >>> Autocast(SimpleInferer(), "bfloat16")(torch.ones(4, 2), layer).dtype
        torch.float32
    """

    def __init__(self, inferer: Inferer, dtype: str = "float32", device: str | torch.device = "cpu") -> None:
        super().__init__()
        if dtype not in ("float32", "bfloat16"):
            raise ValueError(f"precision: {dtype!r} is unknown; choose 'float32' or 'bfloat16'")
        self.inferer = inferer
        self.dtype = getattr(torch, dtype)
        self.device_type = torch.device(device).type

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Predict; every tensor of the result is float32."""
        with torch.autocast(self.device_type, self.dtype, enabled=self.dtype != torch.float32):
            return _float(self.inferer(inputs, network, *args, **kwargs))


def _float(predictions: Any) -> Any:
    if isinstance(predictions, Tensor):
        return predictions.float()
    if isinstance(predictions, Mapping):
        return {key: _float(value) for key, value in predictions.items()}
    return tuple(_float(value) for value in predictions)
