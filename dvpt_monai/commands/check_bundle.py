"""``check-bundle``: the gate before a bundle is shared."""

from __future__ import annotations

from pathlib import Path

import click

from dvpt_monai.commands.audit import allow_option, check_trusted, trust_option

__all__ = ["check_bundle"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), help="The bundle.")
@click.option("--dataset-dir", type=click.Path(), help="Data to train on, if those of its configs are missing.")
@click.option("--images", type=click.Path(), help="What to predict, likewise.")
@click.option("--schema", metavar="FILE|fetch", help="Schema of the metadata; fetch downloads the Zoo's own once.")
@allow_option
@trust_option
def check_bundle(
    folder: Path, dataset_dir: str | None, images: str | None, schema: str | None, allow: Path | None, trust: bool
) -> str:
    """Check a bundle as the Model Zoo does, in a temporary copy.

    The exit code is 1 if anything failed. The expressions in its configs run, once an audit has found nothing
    unknown in them.

    Example: python -m dvpt_monai check-bundle bundles/eyes
    """
    from dvpt_monai.ship import check

    check_trusted(folder, allow, trust)
    rows = check.check_bundle(folder, dataset_dir, images, schema)
    if any(row.result == "failed" for row in rows):
        print(check.table(rows))
        raise SystemExit(1)
    return check.table(rows)
