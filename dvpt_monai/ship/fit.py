"""Whether saved tensors are those of a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from dvpt_monai.bundle_files import ADAPTER
from dvpt_monai.errors import AdapterError
from dvpt_monai.ship.contents import metadata_of
from dvpt_monai.torch_file import finite
from dvpt_monai.tuning import read_header

__all__ = ["settings_of", "undescribed", "unfit"]


def unfit(saved: Any, expected: Mapping[str, Tensor]) -> str:
    """What keeps a state dict from being loaded, every tensor of it; empty if nothing.

    Example:
        >>> import torch
        >>> unfit({"a": torch.ones(2)}, {"a": torch.ones(3)})
        'a is (2,), the network has (3,)'
        >>> unfit({"a": torch.ones(3)}, {"a": torch.ones(3)})
        ''
    """
    if not isinstance(saved, Mapping) or not all(isinstance(value, Tensor) for value in saved.values()):
        return "it is no state dict, names with their tensors"
    missing, surplus = sorted(expected.keys() - saved.keys()), sorted(saved.keys() - expected.keys())
    if missing:
        return f"it lacks {missing[0]} and {len(missing) - 1} other tensors of the network"
    if surplus:
        return f"it holds {surplus[0]} and {len(surplus) - 1} other tensors that the network has not"
    for name, value in expected.items():
        if saved[name].shape != value.shape:
            return f"{name} is {tuple(saved[name].shape)}, the network has {tuple(value.shape)}"
        if not finite(saved[name]):
            return f"{name} holds NaN or infinity"
    return ""


def settings_of(root: Path) -> str:
    """What makes a bundle's configs build the network that was trained, by the header of the adapter beside it."""
    write = "write the settings of its training into configs/inference.json and configs/train.json"
    try:
        header = read_header(root / ADAPTER)
    except AdapterError:
        return f"{write}, or train again"
    method = dict(header["method"])
    known = {"method": {"_target_": f"dvpt_monai.{method.pop('method')}", **method}, **header["settings"]}
    return f"{write}: {json.dumps(known)}"


def undescribed(root: Path) -> str:
    """What ``network_data_format`` says otherwise than the adapter was trained with, and the remedy; empty if nothing.

    Raises:
        BundleError: the metadata cannot be read.
    """
    try:
        settings = read_header(root / ADAPTER)["settings"]
    except AdapterError:
        return ""
    formats = metadata_of(root).get("network_data_format", {})
    shape = formats.get("inputs", {}).get("image", {}).get("spatial_shape") or []
    classes = formats.get("outputs", {}).get("pred", {}).get("num_channels")
    size = settings.get("image_size")
    sides = [size] * len(shape) if isinstance(size, int) else size
    measured = all(isinstance(side, int) for side in shape)  # "*" is any
    if shape and size and measured and shape != sides:
        place, told, name = "spatial_shape", shape, "image_size"
    elif classes and classes != settings.get("num_classes", classes):
        place, told, name = "num_channels of pred", classes, "num_classes"
    else:
        return ""
    return (
        f"configs/metadata.json has {place} {told}, the adapter was trained with --{name} {settings[name]}; "
        "write that there and into configs/train.json, or train again without that option"
    )
