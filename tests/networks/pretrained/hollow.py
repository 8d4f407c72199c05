"""timm without torchvision, whose binary fits one build of torch alone; networks need nothing of it."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest


class Hollow(ModuleType):
    """A module of which every name is a class."""

    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"BILINEAR": 0, "BICUBIC": 1, "NEAREST": 2, "BOX": 3, "HAMMING": 4, "LANCZOS": 5})


class Hollowed(MetaPathFinder, Loader):
    """Finds a hollow torchvision."""

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.partition(".")[0] == "torchvision" else None

    def create_module(self, spec):
        return Hollow(spec.name)

    def exec_module(self, module):
        """Nothing is in it."""


def timm_or_skip() -> ModuleType:
    """timm, over a hollow torchvision where the real one is missing or was built for another torch."""
    try:
        return importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:
        if "torchvision" not in str(error):
            pytest.skip(f"timm is not installed ({error})", allow_module_level=True)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("timm", "torchvision")]:
        del sys.modules[name]
    hollow = Hollowed()
    sys.meta_path.insert(0, hollow)
    try:
        return importlib.import_module("timm")
    finally:
        sys.meta_path.remove(hollow)
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
