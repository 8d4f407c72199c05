"""``backbones``: the catalog."""

from __future__ import annotations

import click

__all__ = ["backbones"]


@click.command()
@click.argument("name", required=False, help="One of those in the list.")
@click.option("--for", "modality", help="What you have: photograph, xray, fundus, pathology, ct, mri or volume.")
def backbones(name: str | None, modality: str | None) -> str:
    """List the catalog of backbones.

    With NAME, its source, licence and citation.

    Example: python -m dvpt_monai backbones dinov2-vitb14
    """
    from dvpt_monai.networks.pretrained.listing import details, table

    if name and modality:
        raise click.UsageError("give a NAME or --for, not both")
    return details(name) if name else table(modality)
