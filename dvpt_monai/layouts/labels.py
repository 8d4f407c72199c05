"""What a ``dataset.json`` says of the values in masks: names, regions that overlap, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvpt_monai.errors import DataError

__all__ = ["labels_of", "names_of"]

IGNORE = "ignore"
"""What nnU-Net calls the value of what is neither learned nor scored."""


def names_of(content: Mapping[str, Any]) -> dict[int, str]:
    """The names of a mask's values, as the Decathlon (value: name) or nnU-Net (name: value) writes them.

    Example:
        >>> names_of({"labels": {"0": "background", "1": "liver"}})
        {0: 'background', 1: 'liver'}
        >>> names_of({"labels": {"background": 0, "liver": 1}})
        {0: 'background', 1: 'liver'}
    """
    labels = content.get("labels")
    if not isinstance(labels, dict):
        return {}
    try:
        return {int(value): str(name) for value, name in labels.items()}
    except ValueError:
        return {value: str(name) for name, value in labels.items() if isinstance(value, int)}


def labels_of(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The fields of a `Listing` that a ``dataset.json`` tells, in full as nnU-Net means it.

    Raises:
        DataError: two values have one name, or regions have no order.

    Example:
        >>> labels = {"background": 0, "tumour": [1, 2], "core": [2], "ignore": 3}
        >>> fields = labels_of({"labels": labels, "regions_class_order": [1, 2]}, Path("dataset.json"))
        >>> fields["regions"], fields["order"], fields["ignored"], fields["names"]
        ({'tumour': (1, 2), 'core': (2,)}, (1, 2), 3, {0: 'background'})
    """
    names = names_of(content)
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        values = [value for value, name in names.items() if name == twice[0]]
        raise DataError(f"{path}: labels {values[0]} and {values[1]} are both called {twice[0]!r}; rename one")
    ignored = next((value for value, name in names.items() if name.lower() == IGNORE and value != 0), None)
    if ignored is not None:
        del names[ignored]
    listed = content["labels"].items() if isinstance(content.get("labels"), dict) else ()
    if not any(isinstance(value, list) and len(value) > 1 for _, value in listed):
        singles = {int(value[0]): str(name) for name, value in listed if isinstance(value, list) and value}
        return {"names": dict(sorted({**names, **singles}.items())), "ignored": ignored}
    regions = {
        str(name): tuple(int(each) for each in (value if isinstance(value, list) else [value]))
        for name, value in listed
        if value not in (0, [0], ignored, [ignored])
    }
    order = tuple(int(value) for value in content.get("regions_class_order") or ())
    if len(order) != len(regions):
        raise DataError(
            f"{path}: {len(regions)} regions ({', '.join(regions)}), but regions_class_order is {list(order)}; write a "
            "value for each, the largest region first"
        )
    return {"names": {0: names.get(0, "background")}, "regions": regions, "order": order, "ignored": ignored}
