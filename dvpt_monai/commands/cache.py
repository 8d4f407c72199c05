"""``cache``: the cached activations of trainings."""

from __future__ import annotations

import click

__all__ = ["cache"]


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", help="Of those in the list.")
@click.option("--clear", "clears", is_flag=True, help="Delete these, or all. A training that reads one goes on.")
@click.option("--cache-dir", metavar="DIR", help="What trainings were given, if anything.")
def cache(names: tuple[str, ...], clears: bool, cache_dir: str | None) -> str:
    """List what --cache_features has kept, or clear it.

    Example: python -m dvpt_monai cache --clear
    """
    from dvpt_monai.features.folder import features_dir
    from dvpt_monai.features.listing import clear, table

    return (clear if clears else table)(features_dir(cache_dir), names)
