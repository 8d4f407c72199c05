"""``medmnist``: a set of MedMNIST in the layout of people's own data."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["medmnist"]


@click.command()
@click.argument("source", help="The .npz file, or the name of one that is at hand, such as adrenalmnist3d_64.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder to write it in; by default the cache.")
def medmnist(source: str, out: Path | None) -> str:
    """Unpack a set of MedMNIST as images with a table, and print the folder.

    Bundles look in the cache. The volumes become NIfTI files, the table is labels.csv.

    Example: python -m dvpt_monai medmnist adrenalmnist3d_64.npz --out data
    """
    from dvpt_monai.data import medmnist_file, unpack_medmnist

    path = Path(source) if source.endswith(".npz") else medmnist_file(source)
    return str(unpack_medmnist(path, None if out is None else out / path.stem))
