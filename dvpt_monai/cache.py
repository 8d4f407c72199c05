"""Where downloaded backbones and data sets are kept."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache"]


def cache() -> Path:
    """The cache folder: ``$DVPT_CACHE``, else ``$XDG_CACHE_HOME/dvpt_monai``, else ``~/.cache/dvpt_monai``."""
    if os.environ.get("DVPT_CACHE"):
        return Path(os.environ["DVPT_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dvpt_monai"
