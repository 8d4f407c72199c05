"""A bundle's network from its adapter and the backbone that the adapter belongs to."""

from __future__ import annotations

import logging
import os

from ignite.engine import Engine, Events
from torch import nn

from dvpt_monai.networks.pretrained import load_backbone_of
from dvpt_monai.tuning import load_adapter

__all__ = ["AdapterLoader"]

logger = logging.getLogger(__name__)


class AdapterLoader:
    """Before an evaluation, fill a network from a pre-trained backbone and an adapter, in place.

    Method and train patterns come from the adapter; whatever the network was tuned with before is taken out.

    Args:
        network: of the architecture that the adapter was trained with, tuned or not.
        path: the adapter.
        backbone_weights: path or catalog name of its backbone; ``"random"`` if it was trained on random weights, which
            only the same seed gives again.

    Raises:
        PretrainedError: when the run starts, on a backbone that cannot be read or does not fit.
        AdapterError: on an adapter that is damaged, or does not fit the network or the backbone.
    """

    def __init__(self, network: nn.Module, path: str | os.PathLike[str], backbone_weights: str) -> None:
        self.network = network
        self.path = path
        self.backbone_weights = backbone_weights

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Load both."""
        device = next(self.network.parameters()).device
        load_backbone_of(self.path, self.network, self.backbone_weights)
        load_adapter(self.network, self.path).to(device)
        logger.info("Loaded the adapter %s on the backbone %s", self.path, self.backbone_weights)
