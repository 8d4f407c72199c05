"""What a network computes with and no tensor shows: heads, eps, activation, rotation, pooling, sizes."""

from __future__ import annotations

import os
from typing import Any

from torch import nn

from dvpt_monai.errors import AdapterError
from dvpt_monai.tuning.tuned import unwrapped, walk

__all__ = ["architecture", "check_architecture"]

ATTRIBUTES = ("num_heads", "activation", "rotary", "pooling", "slice_axes", "planes", "patch_size", "img_size", "sigma")
ABSENT = {"rotary": None, "slice_axes": None, "planes": None}
"""What a network has that does not name it."""


def architecture(network: nn.Module) -> dict[str, Any]:
    """The class of a network, and what of its modules has the same tensors and computes something else.

    A value stands alone where all modules that have it agree, else all of them in their order. Tuners do not count.

    Example:
        >>> from dvpt_monai import ViTEncoder
        >>> architecture(ViTEncoder(in_channels=1, img_size=32, patch_size=8, hidden_size=24, mlp_dim=8, num_heads=2))
        {'class': 'ViTEncoder', 'num_heads': 2, 'activation': 'gelu', 'patch_size': [8, 8], 'img_size': [32, 32], 'eps': 1e-06}
    """  # noqa: E501
    modules = [network, *(unwrapped(getattr(holder, child)) for _, holder, child in walk(network))]
    values = {name: [_plain(getattr(module, name, None)) for module in modules] for name in ATTRIBUTES}
    values["eps"] = [module.eps for module in modules if isinstance(module, nn.LayerNorm)]
    settings: dict[str, Any] = {"class": type(network).__name__}
    for name, each in values.items():
        different = [value for index, value in enumerate(each) if value is not None and value not in each[:index]]
        if different:
            settings[name] = different[0] if len(different) == 1 else different
    return settings


def check_architecture(network: nn.Module, expected: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Compare a network with the one that the adapter at ``path`` was trained in, where both tell; not their classes.

    Raises:
        AdapterError: one setting is another; the message names it with both values.
    """
    here = {**ABSENT, **architecture(network)}
    expected = {**ABSENT, **expected} if expected else {}  # adapters of format 1 name nothing
    for name in sorted(expected.keys() & here.keys() - {"class"}):
        if here[name] != expected[name]:
            raise AdapterError(
                f"load_adapter: {path} was trained with {name}={expected[name]!r}, this {here['class']} has {name}="
                f"{here[name]!r} and would compute something else; build it with {name}={expected[name]!r}"
            )


def _plain(value: Any) -> Any:
    """A word, a number, a list of numbers or a dictionary of settings, as JSON has them; of anything else nothing."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, (list, tuple)) and all(isinstance(part, int) for part in value):
        return list(value)
    return value if isinstance(value, (str, int, float)) else None
