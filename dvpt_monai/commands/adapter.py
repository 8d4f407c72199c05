"""``adapter``: what the header of an adapter says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["adapter"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path), help="The adapter, *.safetensors.")
def adapter(file: Path) -> str:
    """Print what an adapter says of itself.

    Names of tensors stand as their number.

    Example: python -m dvpt_monai adapter bundles/eyes/models/adapter.safetensors
    """
    from dvpt_monai.tuning import read_header

    header = read_header(file)
    header["backbone"] = _short(header["backbone"]["receipt"] or {})
    header["tensors"] = len(header["tensors"])
    return f"{json.dumps(header, indent=4)}\n{file.stat().st_size:,} bytes"


def _short(receipt: dict[str, Any]) -> dict[str, Any]:
    """A receipt with the names of tensors as their number."""
    short = {key: len(value) if key in ("loaded", "ignored") else value for key, value in receipt.items()}
    return {**short, "origin": _short(receipt["origin"])} if receipt.get("origin") else short
