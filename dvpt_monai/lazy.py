"""Packages whose names are imported when they are first used: PyTorch takes a second to import, MONAI another six."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package that imports its modules on demand (PEP 562).

    Type checkers read the same names from imports under ``TYPE_CHECKING``.

    Args:
        package: its name.
        names: the names that each module in the package gives to it, with spaces between them.

    Example:
        >>> import dvpt_monai
        >>> get, listed = lazy("dvpt_monai", {"errors": "DataError TuningError", "tuning": "tune untune"})
        >>> get("TuningError").__module__, "untune" in listed()
        ('dvpt_monai.errors', True)
        >>> get("TunningError")
        Traceback (most recent call last):
        AttributeError: module 'dvpt_monai' has no attribute 'TunningError'
    """
    modules = {name: module for module, given in names.items() for name in given.split()}

    def get(name: str) -> Any:
        if name in names:
            return import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)  # from now on it is found without a call of this function
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, listed
