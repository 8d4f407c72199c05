"""What a training is about to replace."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dvpt_monai.errors import AdapterError
from dvpt_monai.tuning.adapter import adapter_beside, read_header

__all__ = ["warn_of_replacing"]

logger = logging.getLogger(__name__)


def warn_of_replacing(models_dir: str | os.PathLike[str]) -> None:
    """Say it where a folder holds an adapter already: its first validation replaces that and the network beside it.

    Args:
        models_dir: where the training writes.
    """
    path = adapter_beside(Path(models_dir) / "model.pt")
    if not path.is_file():
        return
    try:
        task = read_header(path)["task"]
        score = f" ({task['metric']} {task['value']:.3f})" if task.get("value") is not None else ""
    except (AdapterError, KeyError):
        score = ""
    logger.warning("%s%s will be replaced; to keep it, train with --models_dir DIR", path, score)
