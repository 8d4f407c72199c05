"""What an object computes, as JSON: its class, the files that define it, and everything that it holds."""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import re
import threading
import types
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from dvpt_monai.errors import CacheError
from dvpt_monai.sha256 import sha256_of

__all__ = ["described"]

DRAWN = {"R", "_do_transform", "rand_params"}
"""What a random transform of MONAI holds of its last draw."""
DIGITS = 16


def described(value: Any) -> Any:
    """JSON that is the same for two values only if they do the same to an image.

    Of a class or a function it has the sha256 of the file that defines it, and of the classes that it derives from; of
    arrays the sha256 of their bytes. Random states do not count, nor what a transform holds of its last draw, nor
    what is a thread's own, such as MONAI adds to a lazy transform when it first runs.

    Args:
        value: a transform, an inferer, or what one holds.

    Raises:
        CacheError: it holds something of which nobody can tell what it does, such as an open file.

    Example:
        >>> from monai.transforms import RandFlipd
        >>> described(RandFlipd("image", prob=0.5)) == described(RandFlipd("image", prob=0.5))
        True
        >>> described(RandFlipd("image", prob=0.5)) == described(RandFlipd("image", prob=0.4))
        False
    """
    return _described(value, ())


def _described(value: Any, outer: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Enum):
        return [*_defined(type(value)), value.name]
    if isinstance(value, (bytes, np.ndarray, np.generic, torch.Tensor)):
        return _array(value)
    if isinstance(value, (PurePath, torch.dtype, torch.device, np.dtype, slice, range, complex)):
        return [type(value).__name__, str(value)]
    if isinstance(value, re.Pattern):
        return ["pattern", value.pattern, value.flags]
    if id(value) in outer:
        return ["the object around", len(outer) - outer.index(id(value))]
    within = functools.partial(_described, outer=(*outer, id(value)))
    if isinstance(value, Mapping):
        return {"items": [[within(key), within(each)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        return [within(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((within(each) for each in value), key=repr)}
    if isinstance(value, functools.partial):
        return {"partial": [within(value.func), within(value.args), within(value.keywords)]}
    if isinstance(value, types.MethodType):
        return {"method": [value.__func__.__qualname__, within(value.__self__)]}
    if isinstance(value, types.FunctionType):
        cells = [within(cell.cell_contents) for cell in value.__closure__ or ()]
        return {"function": [*_defined(value), within(value.__code__), within(value.__defaults__), cells]}
    if isinstance(value, types.CodeType):
        return [hashlib.sha256(value.co_code).hexdigest()[:DIGITS], within(value.co_consts), list(value.co_names)]
    if isinstance(value, (type, types.BuiltinFunctionType, np.ufunc)):
        return _defined(value)
    return {"class": _defined(type(value)), **_held(value, within)}


def _held(value: Any, within: Any) -> dict[str, Any]:
    """What an object holds, by name."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    if not hasattr(value, "__dict__") and not slots and type(value) is not object:
        raise CacheError(
            f"a transform holds a {type(value).__qualname__}, of which nobody can tell whether it stays the same, so "
            "what it makes cannot be cached; train with --cache_features 0"
        )
    held = {**{name: getattr(value, name) for name in slots if hasattr(value, name)}, **getattr(value, "__dict__", {})}
    kept = {name: each for name, each in held.items() if name not in DRAWN and not _is_state(each)}
    return {name: within(each) for name, each in sorted(kept.items())}


def _is_state(value: Any) -> bool:
    return isinstance(value, (np.random.RandomState, np.random.Generator, torch.Generator, threading.local))


def _array(value: Any) -> list[str]:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    content = value if isinstance(value, bytes) else np.ascontiguousarray(value).tobytes()
    kind = "bytes" if isinstance(value, bytes) else f"{value.dtype} {value.shape}"
    return [kind, hashlib.sha256(content).hexdigest()[:DIGITS]]


def _defined(value: Any) -> list[str]:
    """The full name of a class or function, and the sha256 of the files that define it."""
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', getattr(value, '__name__', ''))}"
    files = set()
    for part in inspect.getmro(value) if isinstance(value, type) else (value,):
        try:
            files.add(inspect.getfile(part))
        except (OSError, TypeError):  # built in
            continue
    there = sorted(file for file in files if os.path.isfile(file))
    return [name, *(sha256_of(file)[:DIGITS] for file in there)]
