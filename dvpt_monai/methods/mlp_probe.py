"""MLPProbe (MLP-k): a head of k layers on frozen features, the baseline of the prompt-tuning papers (arXiv 2203.12119).

logits = W_k ReLU(W_k-1 ... ReLU(W_1 x))          the last layer is the network's own head
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from dvpt_monai.errors import TuningError
from dvpt_monai.methods.sites import at_least_one
from dvpt_monai.tuning import Method, Tuner, attach
from dvpt_monai.tuning.tuned import unwrapped

__all__ = ["MLPProbe"]


class Hidden(Tuner):
    """The layers before the head's own, as wide as the features.

    Args:
        width: C of the features.
        layers: how many.
        axis: the channels' axis: -1, or 1 for maps, where the layers work on each pixel.

    Shape:
        (B, C) or (B, C, *size) to the same.
    """

    def __init__(self, width: int, layers: int, axis: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(*(part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU())))
        self.axis = axis

    def before(self, x: Tensor) -> Tensor:
        return self.mlp(x.movedim(self.axis, -1)).movedim(-1, self.axis)


@dataclass(frozen=True)
class MLPProbe(Method):
    """MLP-k: k - 1 hidden layers before the head, on the backbone's features as they are.

    On a segmentation network they stand before ``out`` and work on each pixel of the decoder's map. Not the identity
    at the start, and it cannot be merged.

    Args:
        depth: k, the head included.

    Raises:
        TuningError: k is less than 2 (that is LinearProbe), or a network without ``head`` or ``out``.

    Source:
        Baseline MLP-k of Jia et al., arXiv 2203.12119, Section 4.1.

    Example:
        >>> import torch
        >>> from dvpt_monai import MLPProbe, ViTClassifier, report, tune
        >>> with torch.device("meta"):  # sizes without weights
        ...     net = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), MLPProbe())
        >>> report(net).method
        1181184
    """

    paper: ClassVar[str] = "MLP-k of Jia et al., Visual Prompt Tuning, arXiv 2203.12119"
    size: ClassVar[str] = "depth"

    depth: int = 3

    def __post_init__(self) -> None:
        at_least_one(self, "depth")
        if self.depth < 2:
            raise TuningError("MLPProbe: depth counts the head and must be at least 2; LinearProbe is the head alone")

    @property
    def starts_as_identity(self) -> bool:
        return False

    def attach(self, network: nn.Module) -> None:
        name = next((name for name in ("head", "out") if isinstance(getattr(network, name, None), nn.Module)), None)
        if name is None:
            raise TuningError(f"MLPProbe: {type(network).__name__} has no head or out to put layers before")
        last: Any = unwrapped(getattr(network, name))
        layer = next((part for part in last.modules() if isinstance(part, (nn.Linear, nn.Conv2d, nn.Conv3d))), None)
        if layer is None:
            raise TuningError(f"MLPProbe: {name} of {type(network).__name__} has no linear layer to put layers before")
        linear = isinstance(layer, nn.Linear)
        width: Any = layer.in_features if linear else layer.in_channels
        attach(network, name, Hidden(width, self.depth - 1, -1 if linear else 1))
