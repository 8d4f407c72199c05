"""What a training is about to replace."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dvpt_monai.checkpoints import states
from dvpt_monai.errors import AdapterError
from dvpt_monai.tuning import read_header
from dvpt_monai.tuning.adapter import adapter_beside

__all__ = ["warn_of_replacing"]

logger = logging.getLogger(__name__)


def warn_of_replacing(models_dir: str | os.PathLike[str], resume: str = "never") -> None:
    """Say it where a folder holds an adapter already: its first validation replaces that and the network beside it.

    Args:
        models_dir: where the training writes.
        resume: the option of the training; one that goes on replaces what is its own.
    """
    if resume not in ("never", "auto") or (resume == "auto" and states(Path(models_dir) / "resume")):
        return
    path = adapter_beside(Path(models_dir) / "model.pt")
    if not path.is_file():
        return
    try:
        result = read_header(path)["result"]
        score = f" ({result['metric']} {result['value']:.3f})" if result.get("value") is not None else ""
    except (AdapterError, KeyError):
        score = ""
    logger.warning("%s%s will be replaced; to keep it, train with --models_dir DIR", path, score)
