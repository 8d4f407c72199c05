"""``verify``: what of a data set would spoil a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["verify"]


@click.command()
@click.option(
    "--data", required=True, help="A folder, a table, a dataset.json, a list, or a bundle, whose config runs."
)
@click.option("--json", type=click.Path(path_type=Path), help="File to write everything to.")
@click.option("--fix", type=click.Path(path_type=Path), help="New folder for corrected copies, where that is certain.")
@click.option("--budget", type=float, metavar="GIB", help="Memory that predicting an image may take.  [default: all]")
@click.option("--num-classes", type=int, help="That the network predicts.  [default: as many as the masks have]")
@click.option("--image-column", help="Column of the images in a table.")
@click.option("--label-column", help="Column of the classes, or of the masks.")
@click.option("--split-column", help="Column of the parts: train, val, test.")
@click.option("--group-column", help="Column of what must stay together, such as the patient.")
@click.option("--group-pattern", help="A regular expression that finds the patient in the path of an image.")
@click.option("--workers", type=int, help="Processes that read.  [default: one for each core]")
def verify(
    data: str,
    json: Path | None,
    fix: Path | None,
    budget: float | None,
    num_classes: int | None,
    group_pattern: str | None,
    workers: int | None,
    **settings: Any,
) -> None:
    """Read every file of a data set to its end and say which would spoil a training.

    The exit code is 1 if any would.

    Example: python -m dvpt_monai verify --data /data/liver --fix /data/liver_mended
    """
    from dvpt_monai.new_bundle import Columns
    from dvpt_monai.verify.command import run

    columns = Columns(**{name: settings[f"{name}_column"] for name in ("image", "label", "split", "group")})
    run(
        data,
        json,
        fix,
        budget=budget,
        num_classes=num_classes,
        columns=columns,
        group_pattern=group_pattern,
        workers=workers,
    )
