"""Options of several values: ``liver,tumour``, ``96,96,64``, or the lists of Python and JSON."""

from __future__ import annotations

import ast
from typing import Any

import click

__all__ = ["COUNT", "GIB", "Values"]

COUNT = click.IntRange(min=1)
COUNT.name = "integer"  # of its own it calls itself an integer range, also where it refuses 'one'


class Positive(click.ParamType[float]):
    """A number above 0, and no NaN, which is neither above a limit nor below one.

    Example:
        >>> Positive().convert("0.5", None, None)
        0.5
    """

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(click.FLOAT.convert(value, param, ctx))
        return number if number > 0 else self.fail(f"{value} is not above 0.", param, ctx)


GIB = Positive()
"""Memory."""


class Values(click.ParamType[Any]):
    """A tuple of texts or numbers; a single number stays one.

    Args:
        kind: ``str``, ``int`` or ``float``.

    Example:
        >>> Values(str).convert("['liver','tumour']", None, None), Values(str).convert("liver, tumour", None, None)
        (('liver', 'tumour'), ('liver', 'tumour'))
        >>> Values(int).convert("96", None, None), Values(int).convert("96,96,64", None, None)
        (96, (96, 96, 64))
    """

    def __init__(self, kind: type[str] | type[int] | type[float]) -> None:
        self.kind = kind
        self.name = {str: "text", int: "integer", float: "number"}[kind]

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.name.upper()},..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            values = tuple(self.kind(entry) for entry in _entries(value))
        except ValueError:
            self.fail(f"{value!r} is not {self.name}s with commas between them.", param, ctx)
        if "" in values:
            self.fail(f"{value!r} has an empty entry.", param, ctx)
        return values[0] if self.kind is not str and len(values) == 1 else values


def _entries(text: str) -> list[str]:
    """What stands between the commas; inside brackets also quoted."""
    if text.startswith(("[", "(")):
        try:
            return [str(entry) for entry in ast.literal_eval(text)]
        except (SyntaxError, TypeError, ValueError):  # words without quotes, as [liver,tumour]
            text = text.strip("[]()")
    return [entry.strip() for entry in text.split(",")]
