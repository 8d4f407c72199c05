"""What cached activations depend on: all of it stands in the header of a cache, and the least change makes another."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import monai
import torch
from torch import nn

from dvpt_monai.data.case import Case
from dvpt_monai.features.description import described
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.tuning.architecture import architecture
from dvpt_monai.tuning.content import content
from dvpt_monai.tuning.frozen import BLOCK, blocks_read, frozen_cut, images_read
from dvpt_monai.tuning.trains import frozen_tensors
from dvpt_monai.tuning.unwrap_model import unwrap_model
from dvpt_monai.version import __version__

__all__ = ["FORMAT", "case_digest", "digest_of", "header_of", "source_of_backbone"]

FORMAT = 1
IN_BLOCK = re.compile(r"(?:^|\.)blocks\.(\d+)\.")
WORDS = ("name", "group")
"""Entries of a case that are never paths."""


def header_of(network: nn.Module, transform: Any, inferer: Any, dtype: str) -> dict[str, Any]:
    """What all entries of a cache have in common: network, transforms, inferer, dtype and versions.

    Args:
        network: tuned; of it counts what computes the activations, and how it is built.
        transform: what the data set does to a case.
        inferer: what hands images to the network: at once or in windows, and at which precision.
        dtype: that the activations are kept in.

    Raises:
        TuningError: no block of the network stays as it is.
        CacheError: nobody can tell what a transform does.
    """
    cut, step = frozen_cut(network), getattr(unwrap_model(network), "step", None)
    return {
        "format": FORMAT,
        "backbone": _backbone(network, cut),
        "network": json.loads(json.dumps(architecture(network))),
        "activations": _activations(network),
        "transforms": described(transform),
        "inferer": described(inferer),
        "dtype": dtype,
        "versions": {"torch": str(torch.__version__), "monai": str(monai.__version__), "dvpt_monai": __version__},
        **({} if step is None else {"step": step}),
    }


def source_of_backbone(network: nn.Module) -> str | None:
    """What the backbone was loaded from, for people."""
    receipt = getattr(unwrap_model(network), "receipt", None)
    return None if receipt is None else str(receipt.source)


def _activations(network: nn.Module) -> dict[str, list[int]]:
    """The names and sizes of what is kept of one image: where the network is cut, and what the rest of it reads.

    Of a network of slices they are those of one slice.
    """
    inner: Any = unwrap_model(network)
    encoder = getattr(inner, "vit", inner)
    blank = next(encoder.parameters()).new_zeros(1, encoder.in_channels, *encoder.img_size)
    with torch.no_grad():
        states = encoder.states({"images": blank}, blocks_read(network, frozen_cut(network)))
    kept = {f"{BLOCK}{index}": tokens for index, tokens in states.items()}
    if images_read(network):
        kept["images"] = blank
    return {name: list(value.shape[1:]) for name, value in kept.items()}


def _backbone(network: nn.Module, cut: int) -> str:
    """The sha256 of every frozen tensor but those of the blocks from ``cut`` on."""
    digest = hashlib.sha256()
    for name, value in sorted(frozen_tensors(network).items()):
        block = IN_BLOCK.search(name)
        if block is None or int(block.group(1)) < cut:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(content(value))
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """The sha256 of a JSON-ready value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def case_digest(case: Case) -> str:
    """The sha256 of a case, in which the bytes of files stand for their paths.

    Whatever a case names that exists counts by what it holds, the label's file as well as the image's, and each file of
    a folder; so data may move, and a corrected mask or grade is another case.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     one, other = Path(home, "a.png"), Path(home, "b.png")
        ...     _ = one.write_bytes(b"1"), other.write_bytes(b"1")
        ...     same = case_digest({"image": str(one)}) == case_digest({"image": str(other)})
        ...     _ = other.write_bytes(b"2")
        ...     same, case_digest({"image": str(one)}) == case_digest({"image": str(other)})
        (True, False)
    """
    return digest_of({key: value if key in WORDS else _by_content(value) for key, value in case.items()})


def _by_content(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _by_content(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_by_content(each) for each in value]
    if isinstance(value, (str, os.PathLike)):
        if os.path.isfile(value):
            return {"sha256": sha256_of(value)}
        if os.path.isdir(value):
            files = sorted(path for path in Path(value).rglob("*") if path.is_file())
            return {"files": [[path.relative_to(value).as_posix(), sha256_of(path)] for path in files]}
        return str(value)
    return described(value)
