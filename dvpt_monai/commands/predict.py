"""``predict``: what a bundle says of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dvpt_monai.commands.audit import allow_option, check_trusted, trust_option
from dvpt_monai.commands.values import COUNT, GIB

__all__ = ["predict"]


@click.command()
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="The bundle's folder.")
@click.option("--input", "source", required=True, help="A folder, an image, the folder of a series, or a list.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder of the predictions.")
@click.option("--output-format", help="nifti, seg-nrrd, nrrd, mha, png or dicom-seg; else that of each image.")
@click.option("--adapter", type=click.Path(), help="An adapter, in place of models/model.pt.")
@click.option("--adapters", help="Several, with commas between them: the mean of what they say, and their spread.")
@click.option("--checkpoint", type=click.Path(), help="A trained network, likewise.")
@click.option("--method", help="That of the training, where no adapter beside the checkpoint tells it.")
@click.option("--backbone-weights", help="The adapter's backbone, by name or path.")
@click.option("--window", is_flag=True, default=None, help="Scale the window that single files of DICOM name.")
@click.option("--memory", type=GIB, metavar="GIB", help="Memory that an image may take; else what is free.")
@click.option("--batch-size", type=COUNT, help="Images, or windows of an image, at a time.")
@click.option("--workers", type=click.IntRange(min=0), help="Processes that load images.")
@click.option("--device", help="Such as cpu or cuda:1.")
@allow_option
@trust_option
def predict(
    bundle: Path, source: str, output: Path, allow: Path | None, trust: bool, method: str | None, **settings: Any
) -> None:
    """Predict images of any format, each in its grid and format.

    A case that cannot be predicted is named, and the others go on; the exit code is 1 then. OUTPUT/cases.jsonl has what
    became of each. Run again, it predicts what is missing or has changed.

    Example: python -m dvpt_monai predict --bundle bundles/liver --input ct_series --output masks
    """
    from fire.parser import DefaultParseValue

    from dvpt_monai.predict.command import run

    check_trusted(bundle, allow, trust)
    run(bundle, source, output, method=None if method is None else DefaultParseValue(method), **settings)
