"""A network, and an inferer, that take activations where images are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch, default_prepare_batch
from monai.inferers import Inferer
from monai.utils import CommonKeys
from torch import Tensor, nn

from dvpt_monai.features.entry import SIZE
from dvpt_monai.tuning.frozen import from_activations

__all__ = ["FromFeatures", "PrepareFeatures", "TakesFeatures"]


class TakesFeatures(nn.Module):
    """A tuned network that takes images, or activations of its frozen part by their names.

    It can stand inside a ``DistributedDataParallel``, which only follows what passes through its own call.

    Args:
        network: the tuned network, which stays as it is.

    Example:
        >>> from dvpt_monai import DVPT, ViTClassifier, tune
        >>> from dvpt_monai.tuning import frozen_activations
        >>> net = ViTClassifier(num_classes=5, in_channels=3, img_size=32, hidden_size=24, mlp_dim=48, num_layers=4,
        ...                     num_heads=2)
        >>> net, images = tune(net, DVPT(layers=[3])).eval(), torch.rand(2, 3, 32, 32)
        >>> bool((TakesFeatures(net)(frozen_activations(net, images)) - net(images)).abs().max() < 1e-6)
        True
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor | Mapping[str, Tensor]) -> Any:
        return self.network(x) if isinstance(x, Tensor) else from_activations(self.network, dict(x))


class FromFeatures(Inferer):
    """Another inferer, also for a batch whose images are cached activations.

    The inferer is given blank images of the right size, and whatever window of them it asks the network for, the
    network gets the activations that were kept of that window.

    Args:
        inferer: what asks for the whole image or for windows, always for the same in the same order.
    """

    def __init__(self, inferer: Inferer) -> None:
        super().__init__()
        self.inferer = inferer

    def __call__(
        self, inputs: Tensor | Mapping[str, Tensor], network: Callable[..., Any], *args: Any, **kw: Any
    ) -> Any:
        """Predict, from images or from what :class:`CachedDataset` gives in their place."""
        if isinstance(inputs, Tensor):
            return self.inferer(inputs, network, *args, **kw)
        sizes = inputs[SIZE].tolist()
        # (B, W, ...) to the windows of the first image, then those of the second and so on
        windows = {name: value.flatten(0, 1) for name, value in inputs.items() if name != SIZE}
        like = next(iter(windows.values()))
        blank = torch.zeros(1, device=like.device).expand(len(sizes), *sizes[0])
        begun = 0

        def rest(window: Tensor, *args: Any, **kwargs: Any) -> Any:
            nonlocal begun
            begin, begun = begun, begun + len(window)
            return network({name: value[begin:begun].float() for name, value in windows.items()})

        return self.inferer(blank, rest, *args, **kw)


class PrepareFeatures(PrepareBatch):
    """What MONAI's engines take from a batch, on their device: also where activations stand for the images."""

    def __call__(self, batchdata: Any, device: Any = None, non_blocking: bool = False, **options: Any) -> Any:
        """Image and label, as MONAI's own gives them."""
        image = batchdata[CommonKeys.IMAGE]
        if isinstance(image, Tensor):
            return default_prepare_batch(batchdata, device, non_blocking, **options)
        label = batchdata[CommonKeys.LABEL]
        there = {name: value.to(device, non_blocking=non_blocking) for name, value in image.items()}
        return there, label.to(device, non_blocking=non_blocking, **options)
