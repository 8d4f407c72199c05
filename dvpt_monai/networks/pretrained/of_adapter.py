"""The backbone that an adapter belongs to, into a network as that was before it was tuned."""

from __future__ import annotations

import logging
import os

from torch import nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.load import load_pretrained
from dvpt_monai.networks.pretrained.receipt import Receipt
from dvpt_monai.tuning import is_tuned, read_header, untune

__all__ = ["load_backbone_of"]

logger = logging.getLogger(__name__)


def load_backbone_of(adapter: str | os.PathLike[str], network: nn.Module, weights: str) -> None:
    """Fill a network from the backbone of an adapter, in place; whatever it was tuned with is taken out.

    Args:
        adapter: whose receipt tells how positions were resized, and from which file.
        network: of the architecture that the adapter was trained with, tuned or not.
        weights: path or catalog name of the backbone; ``"random"`` leaves the network's own.

    Raises:
        PretrainedError: none is named, it cannot be read, or does not fit.
        AdapterError: the adapter is missing or damaged.
    """
    if not weights:
        raise PretrainedError(f"{adapter}: an adapter needs its backbone; name it with backbone_weights")
    if is_tuned(network):
        untune(network)
    if weights == "random":
        return
    header = read_header(adapter)["backbone"]["receipt"]
    trained = None if header is None else Receipt.from_dict(header)
    receipt = load_pretrained(network, weights, position_resize=None if trained is None else trained.position_resize)
    if trained is not None and trained.sha256 != receipt.sha256:
        logger.warning(
            "%s is not the very file that %s was trained on (sha256 %s, not %s); its values are compared",
            *(weights, adapter, receipt.sha256, trained.sha256),
        )
