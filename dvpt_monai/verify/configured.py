"""The cases that a bundle's ``train.json`` would train on and validate with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvpt_monai.errors import BundleError, DvptError, reason

if TYPE_CHECKING:
    from monai.bundle import ConfigParser

__all__ = ["Configured", "configured"]

TRAINING, VALIDATION = "train#dataset#data", "validate#dataset#data"


@dataclass(frozen=True)
class Configured:
    """What a config says of its data.

    Args:
        root: the folder of the data.
        training: the cases to train on.
        validation: the cases to validate with.
        values: what masks may hold; empty where the labels are no masks or the config does not say.
        structures: the names of the structures, which masks that name theirs are read by.
    """

    root: str
    training: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    values: tuple[int, ...]
    structures: tuple[str, ...]


def configured(config: Path) -> Configured:
    """Evaluate the parts of a config that list its cases. **This runs the code in it**, as ``run`` does.

    Raises:
        BundleError: it has no such parts, or evaluating them fails for another reason than the data.
        DataError: its data cannot be listed.
    """
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(config))
    if "bundle_root" in parser:
        parser["bundle_root"] = str(config.resolve().parent.parent)
    try:
        parser.parse(True)
        parser.get_parsed_content("imports") if "imports" in parser else None
        training, validation = (list(parser.get_parsed_content(name)) for name in (TRAINING, VALIDATION))
        root = parser.get_parsed_content("dataset_dir") if "dataset_dir" in parser else config.parent
        values, structures = _values(parser), _parsed(parser, "structures") or ()
    except Exception as error:  # whatever the config's own code raises
        cause = reason(error)
        if isinstance(cause, DvptError):
            raise cause from error
        raise BundleError(f"{config}: cannot tell its cases ({cause}); it needs {TRAINING} and {VALIDATION}") from error
    has_masks = any(isinstance(case.get("label"), str) and "." in case["label"] for case in training)
    return Configured(str(root), training, validation, values if has_masks else (), tuple(structures))


def _values(parser: ConfigParser) -> tuple[int, ...]:
    """The values that the steps of the config take masks to hold."""
    regions, values = _parsed(parser, "regions"), _parsed(parser, "label_values")
    known: set[int] = {*(values or range(_parsed(parser, "num_classes") or 0))}
    if regions:
        known = {0, *(value for region in regions for value in region)}
    steps = parser.get("prepare") or ()
    ignored = [step["ignored"] for step in steps if isinstance(step, dict) and "ignored" in step]
    return tuple(sorted([*known, *ignored]))


def _parsed(parser: ConfigParser, name: str) -> Any:
    return parser.get_parsed_content(name) if name in parser else None
