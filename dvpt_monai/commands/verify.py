"""``verify``: what of a data set would spoil a training."""

from __future__ import annotations

from pathlib import Path

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
) -> None:
    """Read every file of a data set to its end and say which would spoil a training.

    The exit code is 1 if any would.

    Example: python -m dvpt_monai verify --data /data/liver --fix /data/liver_mended
    """
    from dvpt_monai.verify.command import run

    run(data, json and str(json), fix and str(fix), budget, num_classes, group_pattern, workers)
