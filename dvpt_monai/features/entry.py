"""One draw of one case as it is kept: tensors, and plain values beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dvpt_monai.errors import CacheError

__all__ = ["IMAGE", "SIZE", "Entry", "Sample", "sample_of", "smallest"]

IMAGE = "image"
SIZE = "size"
"""In the place of an image, beside its activations: its channels and its pixels along each axis."""


class Sample(NamedTuple):
    """What one image of a batch brings along.

    Args:
        tensors: by key, ``image/...`` those that stand for the image.
        dtypes: what they are read as, where they are kept in a smaller one.
        plain: JSON-ready values.
    """

    tensors: dict[str, Tensor]
    dtypes: dict[str, str]
    plain: dict[str, Any]

    @property
    def bytes(self) -> int:
        """Of the tensors."""
        return sum(value.nbytes for value in self.tensors.values())


class Entry(NamedTuple):
    """One draw of one case.

    Args:
        samples: of it; several where a transform crops several windows of an image.
        listed: whether the transforms gave a list of them.
    """

    samples: list[Sample]
    listed: bool

    @property
    def bytes(self) -> int:
        """Of all tensors."""
        return sum(sample.bytes for sample in self.samples)


def sample_of(item: Mapping[Any, Any], activations: Mapping[str, Tensor], dtype: torch.dtype) -> Sample:
    """An item of a data set with its image's activations in the image's place.

    Labels and masks are kept exactly. What is neither tensor, number, text nor a list of these, such as the header of a
    file, stays behind.

    Args:
        item: a case behind its transforms.
        activations: (W, ...), of each of W windows of its image.
        dtype: that these are kept in.

    Raises:
        CacheError: a value is not finite, or none of the dtype.
    """
    tensors, dtypes, plain = {}, {}, {}
    for name, value in activations.items():
        tensors[f"{IMAGE}/{name}"] = _within(value.detach().cpu(), dtype, f"{name} of {item.get('name', 'an image')}")
    tensors[f"{IMAGE}/{SIZE}"] = torch.tensor(item[IMAGE].shape)
    for key, value in item.items():
        if key == IMAGE:
            continue
        if isinstance(value, (Tensor, np.ndarray, np.generic)):
            tensor = torch.as_tensor(value).detach().cpu()
            tensors[str(key)] = smallest(tensor.as_subclass(Tensor))
            dtypes[str(key)] = str(tensor.dtype).removeprefix("torch.")
        elif _is_plain(value):
            plain[str(key)] = value
    return Sample(tensors, dtypes, plain)


def smallest(tensor: Tensor) -> Tensor:
    """The same values in one byte each, where all of them are whole numbers from 0 to 255.

    Example:
        >>> smallest(torch.tensor([0.0, 3.0])), smallest(torch.tensor([0.5]))
        (tensor([0, 3], dtype=torch.uint8), tensor([0.5000]))
    """
    small = tensor.to(torch.uint8)
    return small if torch.equal(small.to(tensor.dtype), tensor) else tensor.contiguous()


def _within(value: Tensor, dtype: torch.dtype, what: str) -> Tensor:
    kept = value.as_subclass(Tensor).to(dtype).contiguous()
    if not bool(torch.isfinite(kept).all()):
        if bool(torch.isfinite(value).all()):
            raise CacheError(
                f"{what}: values up to {float(value.abs().max()):.3g} are more than {dtype} holds; train "
                "with --cache_dtype bfloat16, or float32"
            )
        raise CacheError(f"{what}: NaN or infinity; look at the image, dvpt_monai verify finds such files")
    return kept


def _is_plain(value: Any) -> bool:
    """Whether JSON gives back the very same value."""
    try:
        return type(value) in (bool, int, float, str, list) and bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False
