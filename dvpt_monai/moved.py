"""Names that have moved: their old places answer for one release more, and say where the names are now."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["moved"]


def moved(place: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module from which names have moved (PEP 562).

    Args:
        place: the module that had them.
        names: the module that has each of them now.

    Example:
        >>> answer = moved("dvpt_monai.bundle", {"Autocast": "dvpt_monai.inferers"})
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     answer("Autocast").__module__, str(caught[0].message)
        ('dvpt_monai.inferers', 'dvpt_monai.bundle.Autocast is now dvpt_monai.inferers.Autocast')
    """

    def answer(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {place!r} has no attribute {name!r}")
        warnings.warn(f"{place}.{name} is now {names[name]}.{name}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(names[name]), name)

    return answer
