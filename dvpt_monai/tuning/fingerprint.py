"""The fingerprint of a frozen backbone, by which an adapter knows the one that it was trained on.

Bytes differ between machines where values do not (a float32 resize differs between 1 and 2 threads), so each frozen
tensor is described by its name, shape, norm and eight fixed projections, all in float64. Another backbone is far away
(1 % noise on one tensor moves it by 7e-3 of its norm), rounding is near (1e-5 noise: 3e-5).
"""

from __future__ import annotations

import hashlib
import math
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dvpt_monai.errors import BackboneMismatchError
from dvpt_monai.tuning.content import content
from dvpt_monai.tuning.trains import frozen_tensors, tuning_of

__all__ = ["check_backbone", "check_depth", "fingerprint"]

TOLERANCE = {"float64": 1e-4, "float32": 1e-4, "bfloat16": 2e-2, "float16": 2e-3}
"""Largest accepted change of a norm or projection, relative to the tensor's norm, by the coarser of both dtypes."""


def fingerprint(network: nn.Module) -> dict[str, Any]:
    """Dtype, shape, norm and eight projections, in float64, of every tensor that a tuned network does not train.

    The descriptions are kept in the network's record by the sha256 of what they describe. To hash a tensor takes a
    tenth of the time of describing it, and whatever changes a tensor, in whatever way, changes its hash.
    """
    known = tuning_of(network, "fingerprint").descriptions
    descriptions = {}
    for key, value in frozen_tensors(network).items():
        digest = _sha256(value)
        if digest not in known:
            known[digest] = _describe(value)
        descriptions[key] = known[digest]
    return descriptions


def check_backbone(network: nn.Module, expected: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Compare a network with the fingerprint that the adapter at ``path`` holds.

    Raises:
        BackboneMismatchError: it is another backbone; the message names the tensor that differs most.
    """
    state = network.state_dict()
    absent = [key for key in expected if key not in state]
    if absent:
        raise BackboneMismatchError(
            f"load_adapter: {path} belongs to a backbone with {absent[0]} and {len(absent) - 1} other tensors that "
            f"this {type(network).__name__} lacks; build the network with the depth and registers of that backbone"
        )
    worst, where = 0.0, ""
    for key, description in expected.items():
        here, there = tuple(state[key].shape), tuple(description["shape"])
        if here != there:
            raise BackboneMismatchError(
                f"load_adapter: {key} is {here} here and {there} in the backbone of {path}; build the network with "
                "the sizes of the adapter's backbone"
            )
        distance = _distance(_describe(state[key]), description)
        if distance > worst:
            worst, where = distance, key
    if worst > 1.0:
        raise BackboneMismatchError(
            f"load_adapter: {path} was trained on another backbone: {where} differs by {worst:.3g} times what rounding "
            "allows. Load the backbone that the header names (read_header(path)['backbone']['receipt']), with the "
            "position_resize there, or position_resize='plain' where it names none"
        )


def check_depth(network: nn.Module, expected: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Look for frozen tensors of a tuned network that the fingerprint of the adapter at ``path`` does not know.

    Raises:
        BackboneMismatchError: there are some; the message names the first.
    """
    deeper = sorted(frozen_tensors(network).keys() - expected.keys())
    if deeper:
        raise BackboneMismatchError(
            f"load_adapter: {path} belongs to a backbone without {deeper[0]} and {len(deeper) - 1} other tensors of "
            f"this {type(network).__name__}; build the network with the depth and registers of that backbone"
        )


def _distance(here: dict[str, Any], there: dict[str, Any]) -> float:
    """The largest change of norm and projections, in multiples of what is accepted."""
    tolerance = max(TOLERANCE.get(here["dtype"], 0.0), TOLERANCE.get(there["dtype"], 0.0), 1e-12)
    change = max(
        abs(here["norm"] - there["norm"]),
        *(abs(a - b) for a, b in zip(here["projections"], there["projections"], strict=True)),
    )
    distance = change / max(there["norm"], 1e-12) / tolerance
    return math.inf if math.isnan(distance) else distance


def _sha256(tensor: Tensor) -> str:
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(content(tensor))
    return digest.hexdigest()


def _describe(tensor: Tensor) -> dict[str, Any]:
    values = tensor.detach().cpu().to(torch.float64).flatten()
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "norm": float(values.norm()),
        "projections": [float(f"{p:.8g}") for p in _projections(values.numpy())],
    }


def _projections(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    # The raw stream of PCG64 is fixed by numpy for ever; each byte gives one sign to each of the eight projections.
    stream = np.random.PCG64(2307_09787)
    sums = np.zeros(8)
    step = 1 << 13  # of values whose signs, as float64, stay in the cache of the processor
    for start in range(0, values.size, step):
        part = values[start : start + step]
        signs = stream.random_raw(step // 8).view(np.uint8)[: part.size]
        bits = np.unpackbits(signs[:, None], axis=1).astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinities become NaN, which agrees with nothing
            sums += 2.0 * (part @ bits) - part.sum()
    return [float(value) for value in sums]
