"""The states of all generators that a training draws from."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["random_states", "set_random_states"]


def random_states() -> dict[str, Any]:
    """The states of the generators of torch, numpy and Python, as tensors and numbers."""
    name, keys, place, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, numbers, following = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys, np.int64)), int(place), int(has_gauss), float(gauss)],
        "python": [version, list(numbers), following],
    }


def set_random_states(state: Mapping[str, Any]) -> None:
    """Put the generators where :func:`random_states` found them."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
