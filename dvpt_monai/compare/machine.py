"""Where and with what a run was made."""

from __future__ import annotations

import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import dvpt_monai
from dvpt_monai.version import __version__

__all__ = ["machine"]


def machine(device: Any) -> dict[str, Any]:
    """The columns ``machine`` (its kind, never its name), ``threads``, ``commit`` and ``versions`` of a row.

    Args:
        device: that trained.
    """
    import monai
    import torch

    cuda = torch.device(device).type == "cuda"
    return {
        "machine": torch.cuda.get_device_name(device) if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "commit": _commit(),
        "versions": f"dvpt_monai {__version__}, torch {torch.__version__}, monai {monai.__version__}",
    }


@cache
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def _commit() -> str:
    """Of the checkout that this package lies in, with a plus where it was changed; empty elsewhere."""
    root = Path(dvpt_monai.__file__).parents[1]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    asked = [("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--untracked-files=no")]
    head, changes = (subprocess.run((git, *words), cwd=root, capture_output=True, text=True).stdout for words in asked)
    return head.strip() + ("+" if changes.strip() else "")
