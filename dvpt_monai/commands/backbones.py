"""``backbones``: the catalog."""

from __future__ import annotations

import click

__all__ = ["backbones"]


@click.command()
@click.argument("name", required=False, help="One of those in the list.")
def backbones(name: str | None) -> str:
    """List the catalog of backbones; with NAME, its source, licence and citation.

    Example: python -m dvpt_monai backbones dinov2-vitb14
    """
    from dvpt_monai.networks.pretrained.listing import details, table

    return table() if name is None else details(name)
