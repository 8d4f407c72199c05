"""The one-line constructors: a network, its pre-trained backbone, and DVPT attached."""

from __future__ import annotations

from typing import Any

from dvpt_monai.methods.dvpt import DVPT
from dvpt_monai.networks.classifier import ViTClassifier
from dvpt_monai.networks.unetr import UNETR
from dvpt_monai.tuning import tune

__all__ = ["DVPTUNETR", "DVPTViT"]


def DVPTViT(source: Any = None, *, method: DVPT | None = None, **arguments: Any) -> ViTClassifier:
    """A classifier tuned with DVPT, ready to train.

    Args:
        source: pre-trained weights (path, state dict or catalog name); ``None`` gives a random backbone, of which
            nothing trains but the tuners and the head.
        method: DVPT with other arguments than the defaults.
        arguments: of :class:`~dvpt_monai.ViTClassifier`.

    Example:
        >>> net = DVPTViT(num_classes=2, in_channels=1, img_size=32, hidden_size=24, mlp_dim=48, num_layers=2,
        ...               num_heads=2)
        >>> net.tuning.method.num_prompts
        50
    """
    network = ViTClassifier(**arguments) if source is None else ViTClassifier.from_pretrained(source, **arguments)
    return tune(network, method or DVPT())


def DVPTUNETR(source: Any = None, *, method: DVPT | None = None, **arguments: Any) -> UNETR:
    """A UNETR whose encoder is tuned with DVPT and whose decoder trains.

    Args:
        source: pre-trained weights (path, state dict or catalog name); ``None`` gives a random, frozen backbone.
        method: DVPT with other arguments than the defaults.
        arguments: of :class:`~dvpt_monai.UNETR`.

    Example:
        >>> net = DVPTUNETR(in_channels=1, out_channels=3, img_size=16, patch_size=8, hidden_size=24, mlp_dim=48,
        ...                 num_layers=3, num_heads=2)
        >>> net.tuning.train[0]
        'encoder*'
    """
    network = UNETR(**arguments) if source is None else UNETR.from_pretrained(source, **arguments)
    return tune(network, method or DVPT())
