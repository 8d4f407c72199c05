"""Whether a checkpoint and the adapter beside it are of the same epoch."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dvpt_monai.bundle_files import MODEL
from dvpt_monai.errors import AdapterError, CheckpointError
from dvpt_monai.tuning.adapter import adapter_beside
from dvpt_monai.tuning.header import read_adapter

__all__ = ["check_agreement"]

logger = logging.getLogger(__name__)


def check_agreement(state: Mapping[str, Any], checkpoint: str | os.PathLike[str]) -> None:
    """Refuse a ``model.pt`` that holds other trained tensors than the adapter that its training wrote with it.

    They are two files, and what kills a training between the one and the other leaves them of different epochs. A
    checkpoint of another name, or without an adapter, is compared with none.

    Args:
        state: the checkpoint's tensors.
        checkpoint: its path.

    Raises:
        CheckpointError: names the tensor, and the ways on.
    """
    adapter = adapter_beside(checkpoint)
    if Path(checkpoint).name != Path(MODEL).name or not adapter.is_file():
        return
    try:
        _, tensors = read_adapter(adapter)
    except AdapterError as error:
        logger.warning("%s is used without a look at the adapter beside it: %s", checkpoint, error)
        return
    for name in sorted(tensors.keys() & state.keys()):
        if not torch.equal(tensors[name], state[name].detach().cpu()):
            raise CheckpointError(
                f"{checkpoint} and {adapter.name} beside it are not of the same epoch: {name} differs. Something ended "
                "their training between writing the one and the other, or one was replaced. Go on with the training "
                f"(--resume auto), which writes both; or take the adapter, --adapter {adapter} --backbone_weights NAME;"
                f" or remove {adapter.name} and keep the checkpoint"
            )
