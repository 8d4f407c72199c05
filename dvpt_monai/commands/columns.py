"""The columns of a table of cases, as options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["columns_of", "with_columns"]

Function = TypeVar("Function", bound=Callable[..., Any])

COLUMNS = {
    "image": "Column of the images in a table.",
    "label": "Column of the classes, or of the masks.",
    "split": "Column of the parts: train, val, test.",
    "group": "Column of what must stay together, such as the patient.",
}


def with_columns(function: Function) -> Function:
    """Give a command the options ``--image-column`` and so on, and ``--group-pattern``."""
    pattern = "Finds the patient in a path where no column tells: 'p[0-9]+'."
    function = click.option("--group-pattern", metavar="REGEX", help=pattern)(function)
    for name, text in reversed(COLUMNS.items()):
        function = click.option(f"--{name}-column", help=text)(function)
    return function


def columns_of(settings: dict[str, Any]) -> dict[str, str | None]:
    """Take the columns out of what a command was given, by their own names.

    Example:
        >>> settings = {**dict.fromkeys([f"{name}_column" for name in COLUMNS]), "image_column": "scan", "workers": 1}
        >>> columns_of(settings)["image"], settings
        ('scan', {'workers': 1})
    """
    return {name: settings.pop(f"{name}_column") for name in COLUMNS}
