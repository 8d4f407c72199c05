"""``compare``: which tuning method is the best on one's own data."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click

from dvpt_monai.commands.audit import allow_option, check_trusted, trust_option
from dvpt_monai.commands.values import COUNT, Values
from dvpt_monai.errors import BundleError

__all__ = ["compare"]

OUT = click.option(
    *("-o", "--out"), required=True, type=click.Path(path_type=Path), help="Folder of the runs, to go on with, too."
)


@click.command()
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="The bundle's folder.")
@click.option(
    "--methods",
    required=True,
    metavar="METHOD,...",
    help="Names that `methods` lists, also with arguments: 'DVPT,LoRA(rank=4)'; the first is compared with.",
)
@click.option("--trials", type=COUNT, default=8, help="Settings that each tries; 1 takes the bundle's own.")
@click.option("--seeds", type=COUNT, default=3, help="Trainings with the best settings.")
@click.option("--fractions", type=Values(float), default="1", help="Shares of the labelled training cases.")
@click.option(
    "--score",
    type=click.Choice(["test", "folds"]),
    default="test",
    help="Score the test cases, once a seed, or the folds of the training cases.",
)
@click.option("--epochs", type=COUNT, help="Epochs of each training.")
@click.option("--device", help="For example cpu or cuda.")
@click.option("--jobs", type=COUNT, default=1, help="Trainings at a time.")
@OUT
@allow_option
@trust_option
@click.argument("options", nargs=-1, metavar="[-- --OPTION VALUE]...", help="Options of the bundle, behind --.")
def compare(
    bundle: Path, methods: str, fractions: float | tuple[float, ...], allow: Path | None, trust: bool, **settings: Any
) -> str:
    """Compare tuning methods on a bundle, each searched alike.

    Searches learning rates by cross-validation inside the training cases, on the same budget for each method, trains
    with the best ones and scores the test cases. A call that is repeated goes on; the exit code is 1 if a run failed.

    Example: python -m dvpt_monai compare --bundle bundles/eyes --methods DVPT,LoRA --out runs/eyes
    """
    from dvpt_monai.compare import compare as run
    from dvpt_monai.compare import parse_methods
    from dvpt_monai.compare.printed import WIDTH

    entrants = parse_methods(methods)
    options = options_of(settings.pop("options"))
    given = {"epochs": settings.pop("epochs"), "device": settings.pop("device")}
    options |= {name: value for name, value in given.items() if value is not None}
    shares = fractions if isinstance(fractions, tuple) else (fractions,)
    check_shares(shares)
    check_trusted(bundle, allow, trust)
    result = run(bundle, entrants, fractions=shares, options=options, **settings)
    text = result.table(sys.stdout.isatty(), get_terminal_size((WIDTH, 0)).columns)
    if result.failures:
        print(text)
        raise SystemExit(1)
    return text


def check_shares(shares: tuple[float, ...]) -> None:
    """Refuse shares that are none."""
    wrong = [share for share in shares if not 0 < share <= 1]
    if wrong:
        raise BundleError(f"--fractions {wrong[0]}: give shares above 0 and up to 1")


def options_of(words: tuple[str, ...]) -> dict[str, Any]:
    """Options of a bundle as ``python -m monai.bundle run`` reads them.

    Example:
        >>> options_of(("--image_size", "[48,48,48]", "--precision=bfloat16"))
        {'image_size': [48, 48, 48], 'precision': 'bfloat16'}
    """
    from fire.parser import DefaultParseValue

    options, rest = {}, list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--") or not (equals or rest):
            raise BundleError(f"{name}: options of a bundle stand behind -- as --NAME VALUE")
        options[name.removeprefix("--")] = DefaultParseValue(value if equals else rest.pop(0))
    return options
