"""``write-bundles``: this project's bundles from their recipes."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["write_bundles"]


@click.command("write-bundles", hidden=True)  # for who works on this repository
@click.option("--root", type=click.Path(path_type=Path), default="bundles", help="The folder that holds the bundles.")
@click.option("--check", is_flag=True, help="Write nothing; the exit code is 1 if anything is stale.")
def write_bundles(root: Path, check: bool) -> str:
    """Write the configs of this project's bundles from their recipes, and list those that were stale.

    Example: python -m dvpt_monai write-bundles
    """
    from dvpt_monai.errors import BundleError
    from dvpt_monai.recipes import write_bundles as write

    stale = write(root, check)
    if check and stale:
        raise BundleError(f"{', '.join(stale)}: not as the recipes have them; python -m dvpt_monai write-bundles")
    return "\n".join(stale)
