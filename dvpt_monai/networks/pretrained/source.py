"""Read a checkpoint from a file, a folder, the catalog or memory; no code of it ever runs."""

from __future__ import annotations

import logging
import os
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from dvpt_monai.errors import PretrainedError, did_you_mean
from dvpt_monai.networks.pretrained import download
from dvpt_monai.networks.pretrained.catalog import CATALOG
from dvpt_monai.networks.pretrained.config import Config, read_json
from dvpt_monai.networks.pretrained.onnx_graph import read_onnx
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.torch_file import check_records

__all__ = ["Checkpoint", "Source", "read_source"]

logger = logging.getLogger(__name__)
Source = str | os.PathLike[str] | Mapping[str, Any]

NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""What hubs call the weights in a folder, best first."""
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".onnx")


@dataclass(frozen=True)
class Checkpoint:
    """What a source holds.

    Args:
        content: a state dict, or what nests one.
        name: of the source, for receipts and messages.
        sha256: of its file, or of its parts one after the other; ``None`` for memory.
        config: what the files beside it, its metadata or the catalog tell.
    """

    content: Any
    name: str
    sha256: str | None = None
    config: Config | None = None


def read_source(source: Source | Checkpoint) -> Checkpoint:
    """Read a file, a folder as hubs lay it out, a catalog name or a state dict; what was read already stays as it is.

    Raises:
        PretrainedError: there is no such thing, it is damaged, or it holds more than weights.
    """
    if isinstance(source, Checkpoint):
        return source
    if isinstance(source, Mapping):
        return Checkpoint(source, "state dict")
    path, name = Path(source), str(source)
    if path.is_dir():
        weights = _weights(path)
        files = _shards(weights) if weights.name.endswith(".index.json") else [weights]
        return Checkpoint(_merged(files), path.resolve().name, sha256_of(*files), Config.beside(weights))
    if path.exists():
        return Checkpoint(_read(path), path.name, sha256_of(path), Config.inside(path))
    if name not in CATALOG:
        near = did_you_mean(name, CATALOG)
        question = f"did you mean {near}? " if near else ""
        raise PretrainedError(
            f"load_pretrained: no file or folder {source} and no backbone of that name; {question}the catalog has "
            f"{', '.join(CATALOG)}"
        )
    entry, path = CATALOG[name], download.fetch(name)
    config = Config(
        heads=entry.heads,
        activation=entry.activation,
        normalization=entry.normalization,
        image=entry.image,
        asks=entry.normalization is None,
        patch=entry.patch,
        dims=entry.dims,
    )
    return Checkpoint(_read(path, pinned=True), name, sha256_of(path), config)


def _weights(folder: Path) -> Path:
    known = [folder / name for name in NAMES if (folder / name).is_file()]
    others = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    if not known and len(others) != 1:
        raise PretrainedError(
            f"load_pretrained: {folder} holds none of {', '.join(NAMES)}, and "
            + (f"several other files: {', '.join(path.name for path in others)}; name one" if others else "no weights")
        )
    return (known or others)[0]


def _shards(index: Path) -> list[Path]:
    where = read_json(index).get("weight_map")
    names = sorted({str(name) for name in where.values()}) if isinstance(where, dict) else []
    files = [index.parent / name for name in names]
    # A name with folders in it could reach any file of the machine.
    wrong = [name for name, file in zip(names, files, strict=True) if Path(name).name != name or not file.is_file()]
    if wrong or not files:
        raise PretrainedError(
            f"load_pretrained: {index} names " + (f"{wrong[0]}, which is not beside it" if wrong else "no files")
        )
    return files


def _merged(files: list[Path]) -> Any:
    contents = [_read(file) for file in files]
    if len(files) == 1 or not all(isinstance(content, Mapping) for content in contents):
        return contents[0]
    return {key: value for content in contents for key, value in content.items()}


def _read(path: Path, pinned: bool = False) -> Any:
    if path.suffix == ".onnx":
        check_sum(path, inside=pinned)
        return read_onnx(path)
    try:
        with open(path, "rb") as file:
            tensors = path.suffix == ".safetensors" or file.read(9)[8:] == b"{"
        whole = pinned or (not tensors and check_records(path))
        check_sum(path, inside=whole)
        if tensors:
            return load_file(path)
        # Namespaces of argparse hold the options of MAE's and DINO's training; they run nothing.
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make the readers stumble in every way that Python knows
        raise PretrainedError(
            f"load_pretrained: {path} cannot be read as weights alone ({_reason(error)}); "
            "give a complete file that holds a state dict"
        ) from error


def check_sum(path: Path, inside: bool) -> None:
    """Compare a file with the sha256 beside it, as ``sha256sum FILE > FILE.sha256`` writes it, if there is one.

    Args:
        path: the file of weights.
        inside: whether the file has checksums of its own.

    Raises:
        PretrainedError: the file has another hash.
    """
    record = path.with_name(f"{path.name}.sha256")
    if record.is_file():
        expected, actual = record.read_text().split()[:1], sha256_of(path)
        if expected != [actual]:
            raise PretrainedError(f"its sha256 is {actual}, {record.name} beside it says {' '.join(expected)}")
    elif not inside:
        logger.info("%s has no checksum: damage would not be noticed; `sha256sum` it into %s", path, record.name)


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    code = re.search(r"GLOBAL ([\w.]+)", text)
    if code:
        return f"it holds {code[1]}, which is code"
    return "it is a TorchScript program" if "TorchScript" in text else text.splitlines()[0][:200]
