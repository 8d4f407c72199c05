"""What a ``$`` expression of a config would do, by its syntax alone."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dvpt_monai.ship.audit.allowed import CALLS, IMPORTS, METHODS, matches

__all__ = ["GIVEN", "imports_of", "objections"]

REFERENCE = re.compile(r"@(\w*(?:::\w*)*)")
"""MONAI's references to other ids, which stand for values."""
REFERRED = "__local_refs"
"""The name of all such values where MONAI evaluates; it puts it into the text, inside quotes, too."""
GIVEN = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}
"""Modules that MONAI gives to every expression."""
TAKEN = frozenset((*dir(builtins), REFERRED))
HARMLESS = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Store, ast.Attribute, ast.Call, ast.keyword, ast.Starred),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Subscript, ast.Slice, ast.JoinedStr, ast.FormattedValue),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Lambda, ast.arguments, ast.arg),
)


def imports_of(value: Any) -> dict[str, str]:
    """The name that an import statement gives to a module; nothing of other values.

    Example:
        >>> imports_of("$import dvpt_monai.data as data")
        {'data': 'dvpt_monai.data'}
    """
    statement = _statement(value[1:]) if isinstance(value, str) and value.startswith("$") else None
    if statement is None:
        return {}
    name = statement.names[0]
    if isinstance(statement, ast.ImportFrom):
        return {name.asname or name.name: f"{statement.module}.{name.name}"}
    # MONAI gives the name to the last part, Python to the first
    return {name.asname or name.name: name.name}


def objections(expression: str, modules: Mapping[str, str], allowed: Iterable[str] = ()) -> list[str]:
    """Why an expression is refused; nothing where each of its parts is allowed.

    Args:
        expression: behind its ``$``.
        modules: names of modules, see :func:`imports_of`.
        allowed: what a site allows beside our list.

    Example:
        >>> objections("len(@cases) + 1", GIVEN)
        []
        >>> objections("__import__('os').system('id')", GIVEN)
        ['calls __import__', 'asks for .system']
    """
    calls = (*CALLS, *allowed)
    statement = _statement(expression)
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return _objections_to_import(statement, calls, allowed)
    text = REFERENCE.sub(rf"{REFERRED}['\1']", expression.replace("#", "::"))
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [f"is no expression ({type(error).__name__})"]
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    found = [f"uses {type(node).__name__}" for node in ast.walk(tree) if not isinstance(node, HARMLESS)]
    # elsewhere in the same expression such a name would be Python's own again
    found += [f"gives {name} another meaning" for name in sorted(own) if name in TAKEN or name in modules]
    return found + _objections_to_names(tree.body, modules, own | {REFERRED}, calls)


def _objections_to_names(node: ast.AST, modules: Mapping[str, str], own: set[str], calls: tuple[str, ...]) -> list[str]:
    chain = _chain(node)
    if chain is not None and chain[0] not in own:
        root, *rest = chain
        # of a chain that is allowed up to some part, the rest is asked of a value
        for length in range(len(rest), -1, -1):
            name = ".".join((modules.get(root, root), *rest[:length]))
            if matches(name, calls):
                return [f"asks for .{part}" for part in rest[length:] if part not in METHODS]
        return [f"calls {'.'.join((modules.get(root, root), *rest))}"]
    found = []
    if isinstance(node, ast.Attribute) and node.attr not in METHODS:
        found.append(f"asks for .{node.attr}")
    for child in ast.iter_child_nodes(node):
        found = _objections_to_names(child, modules, own, calls) + found
    return found


def _chain(node: ast.AST) -> list[str] | None:
    """The names of ``a.b.c``; ``None`` for what does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else None


def _objections_to_import(
    statement: ast.Import | ast.ImportFrom, calls: tuple[str, ...], allowed: Iterable[str]
) -> list[str]:
    if isinstance(statement, ast.Import):
        return [f"imports {name.name}" for name in statement.names if not matches(name.name, (*IMPORTS, *allowed))]
    names = [f"{statement.module}.{name.name}" for name in statement.names]
    return [f"imports {name}" for name in names if statement.level or not matches(name, (*IMPORTS, *calls))]


def _statement(expression: str) -> ast.Import | ast.ImportFrom | None:
    """The import statement that an expression is, as MONAI sees it: by its first statement."""
    try:
        body = ast.parse(expression).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    first = body[0] if body else None
    return first if isinstance(first, (ast.Import, ast.ImportFrom)) else None
