"""JSON as this project's bundles are written: 4 spaces, at most 120 columns, what is short on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

__all__ = ["openings", "styled"]

WIDTH = 120


def styled(values: dict[str, Any], opening: Collection[str] = ()) -> str:
    """Write an object as JSON.

    A list or an object stays on one line where it fits and holds nothing that nests deeper.

    Args:
        values: what to write.
        opening: keys at the top level that begin a paragraph, with an empty line before them.

    Example:
        >>> print(styled({"size": [48, 48], "step": {"_target_": "Flip", "keys": ["image"]}, "a": 1}, opening=["a"]))
        {
            "size": [48, 48],
            "step": {"_target_": "Flip", "keys": ["image"]},
        <BLANKLINE>
            "a": 1
        }
        <BLANKLINE>
    """
    blocks = []
    for place, (key, value) in enumerate(values.items()):
        start = f"    {json.dumps(key)}: "
        block = start + _written(value, 4, len(start) + 1)
        blocks.append("\n" * (place > 0 and key in opening) + block)
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def openings(text: str) -> list[str]:
    """The keys at the top level of a JSON file that stand behind an empty line.

    Example:
        >>> openings('{' + chr(10) + '    "a": 1,' + chr(10) * 2 + '    "b": 2' + chr(10) + '}')
        ['b']
    """
    return re.findall(r'\n\n    "([^"]+)":', text)


def _written(value: Any, indent: int, used: int) -> str:
    """One value; ``used`` columns of its first line are taken, the comma behind it included."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or (_flat(value) and used + len(short) <= WIDTH):
        return short
    space = " " * (indent + 4)
    if isinstance(value, list):
        items = [space + _written(item, indent + 4, indent + 5) for item in value]
        return "[\n" + ",\n".join(items) + "\n" + " " * indent + "]"
    items = []
    for key, item in value.items():
        start = f"{space}{json.dumps(key, ensure_ascii=False)}: "
        items.append(start + _written(item, indent + 4, len(start) + 1))
    return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"


def _flat(value: Any) -> bool:
    """Whether a list or an object holds nothing but single values, and short lists of them."""
    inside = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return False
    return all(_flat(item) for item in inside if isinstance(item, (dict, list)))
