"""Where a bundle keeps its weights and notes its predictions, and the command that makes a slim one whole."""

from __future__ import annotations

import os
import shlex

__all__ = ["ADAPTER", "LEDGER", "MODEL", "completion"]

MODEL = "models/model.pt"
ADAPTER = "models/adapter.safetensors"
LEDGER = "cases.jsonl"
"""In the folder of the outputs of a prediction."""


def completion(folder: str | os.PathLike[str]) -> str:
    """The command that completes a bundle which was packed without its network.

    Example:
        >>> completion("my bundles/eyes")
        "python -m dvpt_monai complete 'my bundles/eyes'"
    """
    return f"python -m dvpt_monai complete {shlex.quote(str(folder))}"
