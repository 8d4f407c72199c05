"""Whether the value of an option is of the kind that its config has."""

from __future__ import annotations

import ast
import re
from typing import Any

import torch

from dvpt_monai.errors import BundleError

__all__ = ["check_device", "check_fold", "check_value", "wanted"]

AUTOMATIC = ("cache_features",)
"""Options that are a whole number, or ``auto``."""
OR_NONE = (*AUTOMATIC, "backbone#num_registers")
"""Options that may be 0, whatever the config has."""

TRAINED = re.compile(r"\$bundle\.trained\('\w+', @trained_files\[0\], (.+)\)")
"""What a config has for a setting of the training; last, what it is where there was none."""


def check_value(option: str, value: Any, own: Any) -> None:
    """Compare a value from the command line with the config's own.

    Expressions (``$``, ``@``, ``%``) may become anything, and nothing is known of what the config has ``null`` or an
    expression for, but that ``..._dir`` is a path, and that a setting of the training is as it is without one.

    Args:
        option: its name.
        value: as it was read from the command line.
        own: the config's.

    Raises:
        BundleError: says what would do.

    Example:
        >>> check_value("epochs", 3, own=12)
        >>> check_value("epochs", "one", own=12)
        Traceback (most recent call last):
        dvpt_monai.errors.BundleError: --epochs one: give a whole number of at least 1, such as 12
    """
    if value is None:
        raise BundleError(f"--{option} None: MONAI passes over None; write it as --{option} '$None'")
    if _is_expression(value) or (option in AUTOMATIC and value == "auto"):
        return
    if isinstance(own, str) and (told := TRAINED.fullmatch(own)):
        own = ast.literal_eval(told[1])
    automatic = option in AUTOMATIC
    needed = wanted(value, 0 if option.replace("::", "#") in OR_NONE else own)
    if _is_expression(own) and option.endswith("_dir") and not isinstance(value, str):
        needed = _text(value)
    if needed:
        raise BundleError(f"--{option} {value}: give {needed}{', or auto' if automatic else ''}")


def check_device(device: Any) -> None:
    """Refuse a device that is none, or not in this machine.

    Raises:
        BundleError: says which there are.
    """
    if not isinstance(device, str) or _is_expression(device):
        return
    count = torch.cuda.device_count()
    here = ", ".join(["cpu", *(f"cuda:{number}" for number in range(count))])
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise BundleError(f"--device {device}: no device; here are {here}") from error
    if wanted.type == "cuda" and (wanted.index or 0) >= count:
        raise BundleError(f"--device {device}: PyTorch finds {count} CUDA devices here; give one of {here}")


def check_fold(fold: Any, folds: Any) -> None:
    """Refuse a fold that there is not.

    Raises:
        BundleError: says which there are.
    """
    if isinstance(fold, int) and isinstance(folds, int) and not 0 <= fold < folds:
        raise BundleError(f"--fold {fold} --folds {folds}: the folds are 0 to {folds - 1}; give one of them")


def wanted(value: Any, own: Any) -> str:
    """What would do in place of a value, where a config has its own; empty if it does.

    Example:
        >>> wanted("large", 224), wanted(336, 224)
        ('a whole number of at least 1, such as 224', '')
    """
    if isinstance(own, bool):
        return "" if isinstance(value, bool) else "True or False"
    if isinstance(own, (int, float)):
        return _wanted_number(value, own)
    if isinstance(own, str) and not _is_expression(own):
        return "" if isinstance(value, str) else _text(value)
    if isinstance(own, list):
        numbers = own and all(isinstance(each, (int, float)) for each in own)
        if isinstance(value, (list, tuple)) or (numbers and _is_number(value)):
            return ""
        return f'a list, such as "{own}"'
    return ""


def _wanted_number(value: Any, own: float) -> str:
    numbers = value if isinstance(value, (list, tuple)) and value else [value]  # some sizes may be lists
    whole = isinstance(own, int)
    if all(_is_number(each) and (not whole or isinstance(each, int)) for each in numbers) and (
        not whole or own < 1 or min(numbers) >= 1
    ):
        return ""
    kind = "a whole number" if whole else "a number"
    return f"{kind}{' of at least 1' if whole and own >= 1 else ''}, such as {own}"


def _text(value: Any) -> str:
    return f"a word; if {value} is meant as one, quote it twice: '\"{value}\"'"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("$", "@", "%"))
