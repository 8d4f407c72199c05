"""``complete``: a slim bundle made whole."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from dvpt_monai.commands.audit import allow_option, check_trusted, trust_option

__all__ = ["complete"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), help="The bundle.")
@click.option("-b", "--backbone", type=click.Path(), help="The file of its backbone, where it shall not be fetched.")
@allow_option
@trust_option
def complete(folder: Path, backbone: str | None, allow: Path | None, trust: bool) -> str:
    """Make a slim bundle whole.

    Fetches its backbone, which must have the hash and the fingerprint that stand in the bundle's adapter, and writes
    models/model.pt.

    Example: python -m dvpt_monai complete bundles/eyes
    """
    from dvpt_monai.ship.complete import complete as write_model

    check_trusted(folder, allow, trust)
    model = write_model(folder, backbone)
    then = f"python -m dvpt_monai predict --bundle {quote(str(folder))} --input IMAGES --output OUT"
    return f"{model}: {model.stat().st_size:,} bytes; it predicts by\n  {then}"
