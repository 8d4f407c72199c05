"""JSON as this project's bundles are written: 4 spaces, at most 120 columns, what is short on one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dvpt_monai.errors import BundleError

__all__ = ["styled"]

WIDTH = 120


def styled(*paragraphs: Mapping[str, Any]) -> str:
    """Write names and values as one JSON object, with an empty line between paragraphs.

    A list or an object stays on one line where it fits and holds nothing that nests deeper.

    Args:
        paragraphs: names and their values; empty ones leave no trace.

    Raises:
        BundleError: a name stands in two paragraphs.

    Example:
        >>> print(styled({"size": [48, 48], "step": {"_target_": "Flip", "keys": ["image"]}}, {"a": 1}))
        {
            "size": [48, 48],
            "step": {"_target_": "Flip", "keys": ["image"]},
        <BLANKLINE>
            "a": 1
        }
        <BLANKLINE>
    """
    known: set[str] = set()
    written = []
    for paragraph in paragraphs:
        if twice := known & paragraph.keys():
            raise BundleError(f"{min(twice)!r} stands in two paragraphs of a config; JSON takes the last in silence")
        known |= paragraph.keys()
        if paragraph:
            written.append(",\n".join(_entry(key, value, 4) for key, value in paragraph.items()))
    return "{\n" + ",\n\n".join(written) + "\n}\n"


def _entry(key: str, value: Any, indent: int) -> str:
    start = f"{' ' * indent}{json.dumps(key, ensure_ascii=False)}: "
    return start + _written(value, indent, len(start) + 1)


def _written(value: Any, indent: int, used: int) -> str:
    """One value; ``used`` columns of its first line are taken, the comma behind it included."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list, tuple)) or not value or (_flat(value) and used + len(short) <= WIDTH):
        return short
    inner = indent + 4
    if isinstance(value, dict):
        lines = [_entry(key, item, inner) for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    lines = [" " * inner + _written(item, inner, inner + 1) for item in value]
    return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"


def _flat(value: Any) -> bool:
    """Whether a list or an object holds nothing but single values, and short lists of them."""
    inside = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
        return False
    return all(_flat(item) for item in inside if isinstance(item, (dict, list, tuple)))
