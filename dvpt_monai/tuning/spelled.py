"""Methods as a person types them: ``LoRA``, ``LoRA(rank=2)``, ``Stack(DVPT, BitFit)``. Read, and never evaluated."""

from __future__ import annotations

import ast
from typing import Any

from dvpt_monai.errors import TuningError
from dvpt_monai.tuning.method import Method

__all__ = ["method_of", "spelled"]


def spelled(text: str) -> Method:
    """The method that a text names, perhaps with arguments.

    Raises:
        TuningError: the text, a method or an argument is none that is known.

    Example:
        >>> spelled("BitFit"), spelled("LoRA(rank=2)").changed()
        (BitFit(), {'rank': 2})
    """
    if "(" not in text:
        return Method.named(text)
    try:
        return method_of(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise TuningError(f"method {text!r}: write it as LoRA(rank=4), with plain values by name") from error


def method_of(node: ast.expr) -> Method:
    """The method that a piece of Python names; its arguments are literals, and nothing is evaluated.

    Raises:
        SyntaxError: it is anything else.
        TuningError: a method or an argument is unknown.
    """
    if isinstance(node, ast.Name):
        return Method.named(node.id)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise SyntaxError(ast.unparse(node))
    arguments: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:  # **values, or one that is given twice
            raise SyntaxError(ast.unparse(node))
        arguments[keyword.arg] = _value(keyword.value)
    if node.args:
        arguments["methods"] = tuple(method_of(part).arguments() for part in node.args)
    return Method.from_arguments({"method": node.func.id, **arguments})


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise SyntaxError(ast.unparse(node)) from error
