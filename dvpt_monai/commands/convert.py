"""``convert``: a pre-trained encoder in another form."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import click

from dvpt_monai.commands.values import COUNT, Values

__all__ = ["convert"]

RESIZES = ["plain", "antialias", "offset"]


def _normalization(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Mean and standard deviation of each channel, written as Python or JSON do."""
    try:
        return None if value is None else ast.literal_eval(value)
    except (SyntaxError, ValueError) as error:
        raise click.BadParameter(f"{value!r} is not [[MEAN,...],[DEVIATION,...]].") from error


@click.command()
@click.argument("source", help="A file, a folder or a name of the catalog.")
@click.argument("target", type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--to",
    required=True,
    type=click.Choice(["monai", "safetensors"]),
    help="A state dict for torch.load that fits MONAI's ViT, or a file that load_pretrained reads back whole.",
)
@click.option("--overwrite", is_flag=True, help="Replace TARGET.")
@click.option("--in-channels", type=COUNT, help="Channels of an image.")
@click.option("--spatial-dims", type=click.Choice([2, 3]), help="3 carries kernels and positions of 2D to volumes.")
@click.option("--img-size", type=Values(int), help="Pixels or voxels along each side.")
@click.option("--patch-size", type=Values(int), help="Pixels or voxels along each side of a patch.")
@click.option("--num-heads", type=COUNT, help="Attention heads, where the source does not tell.")
@click.option(
    "--activation",
    type=click.Choice(["gelu", "gelu_tanh", "quick_gelu"]),
    help="Activation, where the source does not tell.",
)
@click.option("--allow-missing", type=Values(str), help="Patterns of names that the source may leave out.")
@click.option(
    "--inflation", default="average", type=click.Choice(["average", "center"]), help="How a 2D kernel becomes 3D."
)
@click.option(
    "--position-resize", type=click.Choice(["plain", "antialias", "offset"]), help="How positions are resized."
)
@click.option(
    "--normalization",
    metavar="[[MEAN,...],[DEVIATION,...]]",
    callback=_normalization,
    help="What each channel had in the backbone's training, of values in [0, 1].",
)
def convert(source: str, target: Path, to: str, overwrite: bool, **options: Any) -> str:
    """Write a pre-trained encoder for MONAI's ViT, or safetensors.

    With its receipt, of any file that loads. What is left out stays as it is in the source.

    Example: python -m dvpt_monai convert mae-vitb16 vit.pt --to monai --spatial-dims 3
    """
    from dvpt_monai.networks.pretrained.convert import convert as write_encoder
    from dvpt_monai.networks.pretrained.convert import monai_arguments

    given = {name: value for name, value in options.items() if value is not None}
    encoder = write_encoder(source, target, to, overwrite, **given)
    lines = [str(encoder.receipt), f"{target}: {target.stat().st_size:,} bytes"]
    if to == "monai":
        fits = ", ".join(f"{name}={value!r}" for name, value in monai_arguments(encoder).items())
        lines.append(f"fits monai.networks.nets.ViT({fits})")
        lines.append(f"whose LayerNorms have eps 1e-05; those of this backbone have {encoder.norm.eps:g}")
    return "\n".join(lines)
