"""A bundle's network from its adapter and the backbone that the adapter belongs to."""

from __future__ import annotations

import logging
import os

from ignite.engine import Engine, Events
from torch import nn

from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained import Receipt, load_pretrained
from dvpt_monai.tuning import is_tuned, load_adapter, read_header, untune

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
        if not self.backbone_weights:
            raise PretrainedError(f"{self.path}: an adapter needs its backbone; name it with backbone_weights")
        device = next(self.network.parameters()).device
        if is_tuned(self.network):
            untune(self.network)
        if self.backbone_weights != "random":
            header = read_header(self.path)["backbone"]["receipt"]
            trained = None if header is None else Receipt.from_dict(header)
            resize = None if trained is None else trained.position_resize
            receipt = load_pretrained(self.network, self.backbone_weights, position_resize=resize)
            if trained is not None and trained.sha256 != receipt.sha256:
                logger.warning(
                    "%s is not the very file that %s was trained on (sha256 %s, not %s); its values are compared",
                    *(self.backbone_weights, self.path, receipt.sha256, trained.sha256),
                )
        load_adapter(self.network, self.path).to(device)
        logger.info("Loaded the adapter %s on the backbone %s", self.path, self.backbone_weights)
