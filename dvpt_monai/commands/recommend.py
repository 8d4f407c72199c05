"""``recommend``: what the runs of a comparison say so far."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dvpt_monai.commands.compare import OUT

__all__ = ["recommend"]


@click.command()
@OUT
def recommend(out: Path) -> str:
    """Say which method to take, and how sure that is.

    For each number of labels.

    From the runs that `compare` has made so far, also while it is making more.

    Example: python -m dvpt_monai recommend --out runs/eyes
    """
    from dvpt_monai.compare import recommended
    from dvpt_monai.compare.printed import recommendation

    return recommendation(recommended(out), colour=sys.stdout.isatty())
