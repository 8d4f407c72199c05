"""The project's own bundles, which new ones are made of: found in a checkout, or shipped in the package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dvpt_monai.errors import BundleError

__all__ = ["CLASSIFICATION", "LESIONS", "SEGMENTATION", "Config", "after", "read", "step", "template", "without"]

CLASSIFICATION = "fundus_dr_classification"
SEGMENTATION = "hippocampus_mri_segmentation"
LESIONS = "fundus_lesion_segmentation"

Config = dict[str, Any]


def template(name: str) -> Path:
    """The folder of one of the project's bundles.

    Raises:
        BundleError: the package was installed without its bundles.
    """
    package = Path(__file__).parents[1]
    places = (package / "bundles" / name, package.parent / "bundles" / name)
    found = next((place for place in places if (place / "configs").is_dir()), None)
    if found is None:
        raise BundleError(f"{places[0]}: no such bundle, the package is incomplete; install dvpt_monai again")
    return found


def read(name: str, config: str) -> Config:
    """One config of one of the project's bundles."""
    content: Config = json.loads((template(name) / "configs" / f"{config}.json").read_text(encoding="utf-8"))
    return content


def step(steps: Sequence[Config], name: str) -> Config:
    """The one step, a transform or a handler, whose class has this name.

    Raises:
        BundleError: there is none, or there are several: the template has changed.

    Example:
        >>> step([{"_target_": "monai.transforms.RandFlipd", "prob": 0.5}], "RandFlipd")["prob"]
        0.5
    """
    found = [each for each in steps if _name(each) == name]
    if len(found) != 1:
        raise BundleError(
            f"the bundles of this package have {len(found)} {name} where init expects one; install it again"
        )
    return found[0]


def without(steps: Sequence[Config], *names: str) -> list[Config]:
    """The steps but for those of these names."""
    return [each for each in steps if _name(each) not in names]


def of_key(steps: Iterable[Config], key: str) -> list[Config]:
    """The steps that work on this key, alone or beside others."""
    return [each for each in steps if key in ([each["keys"]] if isinstance(each["keys"], str) else each["keys"])]


def after(config: Config, key: str, **new: Any) -> None:
    """Put new values behind a key, in place.

    Example:
        >>> config = {"a": 1, "c": 3}
        >>> after(config, "a", b=2)
        >>> config
        {'a': 1, 'b': 2, 'c': 3}
    """
    items = list(config.items())
    place = list(config).index(key) + 1
    config.clear()
    config.update(items[:place] + list(new.items()) + items[place:])


def _name(each: Config) -> str:
    return str(each["_target_"]).rpartition(".")[2]
