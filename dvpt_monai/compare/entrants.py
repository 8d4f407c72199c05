"""Who takes part in a comparison: methods as they are typed, and what sets one apart beside its method."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dvpt_monai.errors import BundleError
from dvpt_monai.tuning import Method, Stack
from dvpt_monai.tuning.spelled import method_of

__all__ = ["Entrant", "parse_methods", "target"]


@dataclass(frozen=True)
class Entrant:
    """A method, with options of the bundle that only it has.

    Args:
        method: with its arguments.
        options: such as ``{"backbone_weights": "random"}`` for a control.
        name: in tables; by default the method as it is typed.
    """

    method: Method
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        return self.name or label(self.method)


def parse_methods(text: str) -> tuple[Entrant, ...]:
    """Methods as Python has them, with commas between them.

    Raises:
        BundleError: the text is no list of methods, or one stands in it twice.
        TuningError: a method or an argument is unknown.

    Example:
        >>> [str(entrant) for entrant in parse_methods("DVPT,LoRA(rank=4)")]
        ['DVPT', 'LoRA(rank=4)']
    """
    try:
        [*nodes] = ast.parse(f"[{text}]", mode="eval").body.elts  # type: ignore[attr-defined]
        entrants = tuple(Entrant(method_of(node)) for node in nodes)
    except (SyntaxError, AttributeError) as error:
        raise BundleError(f"--methods {text}: write them as DVPT,LoRA(rank=4)") from error
    names = [str(entrant) for entrant in entrants]
    twice = [name for name in names if names.count(name) > 1]
    if twice or not names:
        raise BundleError(f"--methods {text}: {f'{twice[0]} stands there twice' if twice else 'none named'}")
    return entrants


def label(method: Method) -> str:
    """A method as it is typed: its name, and the arguments that are not the defaults.

    Example:
        >>> from dvpt_monai import DVPT
        >>> label(DVPT(num_prompts=10))
        'DVPT(num_prompts=10)'
    """
    if isinstance(method, Stack):
        words = [label(part) for part in method.methods]
    else:
        words = [f"{name}={value!r}" for name, value in method.changed().items()]
    return f"{type(method).__name__}({', '.join(words)})" if words else type(method).__name__


def target(method: Method) -> dict[str, Any]:
    """A method as a config has it.

    Example:
        >>> from dvpt_monai import DVPT
        >>> target(DVPT(num_prompts=10))
        {'_target_': 'dvpt_monai.DVPT', 'num_prompts': 10}
    """
    values = method.arguments()
    return {"_target_": f"dvpt_monai.{values['method']}", **{name: values[name] for name in method.changed()}}
