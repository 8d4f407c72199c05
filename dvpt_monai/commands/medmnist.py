"""``medmnist``: a set of MedMNIST in the layout of people's own data."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["medmnist"]


@click.command()
@click.argument("source", help="A set such as retinamnist, with its size as adrenalmnist3d_64, or a .npz file.")
@click.option("--size", type=click.Choice([28, 64, 128, 224]), help="Pixels of a set that is named: 28 where none is.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder to write it in; by default the cache.")
def medmnist(source: str, size: int | None, out: Path | None) -> str:
    """Get a set of MedMNIST as images with a table.

    Prints the folder.

    What is at hand is taken, else it is downloaded, once. Bundles look in the cache. Volumes become NIfTI files and
    have 28 or 64 voxels; the table is labels.csv.

    Example: python -m dvpt_monai medmnist retinamnist --size 224
    """
    from dvpt_monai.data import medmnist_folder

    return str(medmnist_folder(source, size, out))
