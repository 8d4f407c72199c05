"""``complete``: a slim bundle made whole."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["complete"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), help="The bundle.")
@click.option("-b", "--backbone", type=click.Path(), help="The file of its backbone, where it shall not be fetched.")
def complete(folder: Path, backbone: str | None) -> str:
    """Make a slim bundle whole: fetch its backbone and write models/model.pt.

    The backbone must have the hash and the fingerprint that stand in the bundle's adapter.

    Example: python -m dvpt_monai complete bundles/eyes
    """
    from dvpt_monai.ship.complete import complete as write_model

    model = write_model(folder, backbone)
    return f"{model}: {model.stat().st_size:,} bytes"
