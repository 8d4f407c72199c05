"""The weights of a training, back into a bundle's network."""

from __future__ import annotations

from ignite.engine import Engine, Events
from torch import nn

from dvpt_monai.handlers.adapter_loader import AdapterLoader
from dvpt_monai.handlers.checkpoint_loader import CheckpointLoader

__all__ = ["TrainedWeights"]


class TrainedWeights:
    """Before an evaluation, load a checkpoint, or an adapter with its backbone where one is named.

    Args:
        network: of the architecture that was trained.
        checkpoint: the whole network, as ``models/model.pt``.
        adapter: what was trained alone; it goes before the checkpoint.
        backbone_weights: path or catalog name of the adapter's backbone.

    Raises:
        CheckpointError: when the run starts, on a checkpoint that is missing, damaged, or of another network.
        AdapterError: likewise, on an adapter that does not fit the network or the backbone.
        PretrainedError: likewise, on a backbone that cannot be read.
    """

    def __init__(self, network: nn.Module, checkpoint: str, adapter: str | None, backbone_weights: str) -> None:
        self.network = network
        self.checkpoint = checkpoint
        self.adapter = adapter
        self.backbone_weights = backbone_weights

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Load them."""
        if self.adapter is not None:
            AdapterLoader(self.network, self.adapter, self.backbone_weights)(engine)
        else:
            device = next(self.network.parameters()).device
            CheckpointLoader(self.checkpoint, {"model": self.network}, map_location=device)(engine)
