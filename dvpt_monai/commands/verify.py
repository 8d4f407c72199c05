"""``verify``: what of a data set would spoil a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dvpt_monai.commands.columns import columns_of, with_columns
from dvpt_monai.commands.values import COUNT, GIB

__all__ = ["verify"]


@click.command()
@click.option("--data", required=True, help="A folder, table, dataset.json or list, or a bundle, whose config runs.")
@click.option("--json", type=click.Path(path_type=Path), help="File to write everything to.")
@click.option("--fix", type=click.Path(path_type=Path), help="New folder for corrected copies, where that is certain.")
@click.option("--budget", type=GIB, metavar="GIB", help="Memory that predicting an image may take; else the machine's.")
@click.option("--num-classes", type=COUNT, help="Classes that the network predicts; else as many as the masks have.")
@with_columns
@click.option("--workers", type=COUNT, help="Processes that read; else one for each core.")
def verify(data: str, json: Path | None, fix: Path | None, **settings: Any) -> None:
    """Say which files of a data set would spoil a training.

    Reads every one to its end.

    The exit code is 1 if any would.

    Example: python -m dvpt_monai verify --data /data/liver --fix /data/liver_mended
    """
    from dvpt_monai.layouts import Columns
    from dvpt_monai.verify.command import run

    run(data, json, fix, columns=Columns(**columns_of(settings)), **settings)
