"""The file format of adapters: tensors in safetensors, and beside them a JSON header that a sha256 seals.

=============  =========================================================================================
``format``     2; files of format 1 are read as if they were of format 2
``method``     the method and its arguments; those that came later are read with their defaults
``train``      patterns of the parts that trained beside it
``tensors``    dtype and shape of each tensor
``network``    class, heads, eps, activation, pooling, sizes: :mod:`dvpt_monai.tuning.architecture`
``backbone``   the receipt of its loading, and its fingerprint: :mod:`dvpt_monai.tuning.fingerprint`
``settings``   what the network has to be built and fed with: classes, image size, spacing, normalisation
``result``     what came of the training: task, whether its data were phantoms, metric, value, epoch
``versions``   of this package, torch, MONAI and safetensors
``sha256``     over the header and every tensor
=============  =========================================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dvpt_monai.errors import AdapterError
from dvpt_monai.tuning.content import content
from dvpt_monai.tuning.method import Method
from dvpt_monai.version import __version__
from dvpt_monai.whole_file import whole_file

__all__ = ["as_settings_and_result", "read_adapter", "read_header", "write_adapter"]

FORMAT = 2
NAME = "dvpt_monai"
"""Of the header among the metadata of the safetensors file."""

RESULT = ("task", "phantom", "metric", "value", "epoch")
"""What of the one entry ``task`` of format 1 says something of the training, and sets nothing."""

LORA = {"down": "A", "up": "B"}
"""Names of LoRA's factors in format 1, where they end the name of a tensor, and now."""


def write_adapter(path: str | os.PathLike[str], header: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write tensors under a header, to which format, shapes, versions and sha256 are added; the whole file or none.

    Raises:
        AdapterError: something in the header is not JSON-ready; nothing is written.
    """
    path = Path(path)
    header = {"format": FORMAT, "tensors": _shapes(tensors), "versions": _versions(), **header}
    try:
        header = json.loads(json.dumps(header))  # as it will be read: keys are strings, tuples are lists
    except (TypeError, ValueError) as error:
        raise AdapterError(
            f"save_adapter: settings or result are not JSON-ready ({error}); nothing was written to {path}"
        ) from error
    header["sha256"] = _digest(header, tensors)
    with whole_file(path) as part:
        part.write_bytes(save(tensors, metadata={NAME: json.dumps(header)}))
    return path


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON header of an adapter, without loading its tensors; that of a file of format 1 in today's form.

    Raises:
        AdapterError: the file is missing, is no adapter of this package, or is of a newer format.
    """
    return _read(path, tensors=False)[0]


def read_adapter(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of an adapter, whose sha256 agrees.

    Raises:
        AdapterError: as :func:`read_header`, or the file is damaged.
    """
    return _read(path, tensors=True)


def as_settings_and_result(task: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entry ``task`` of format 1, taken apart.

    Example:
        >>> as_settings_and_result({"task": "grading", "num_classes": 5, "metric": "kappa", "value": 0.8})
        ({'num_classes': 5}, {'task': 'grading', 'metric': 'kappa', 'value': 0.8})
    """
    settings = {name: value for name, value in task.items() if name not in RESULT}
    return settings, {name: value for name, value in task.items() if name in RESULT}


def _read(path: str | os.PathLike[str], tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not Path(path).is_file():
        raise AdapterError(f"read: no adapter at {path}; train one, or give the path of a *.safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            held = {key: file.get_tensor(key) for key in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError, UnicodeDecodeError, ValueError) as error:
        raise AdapterError(f"read: {path} is damaged or no safetensors file ({error}); copy it again") from error
    try:
        header = json.loads(metadata[NAME])
        known = header["format"] <= FORMAT
        intact = not tensors or (header["sha256"] == _digest(header, held) and header["tensors"] == _shapes(held))
        if header["format"] == 1:
            header, held = _from_format_1(header, held)
        header["train"], header["backbone"]["fingerprint"], header["settings"].keys()
        header["method"] = json.loads(json.dumps(Method.completed(header["method"])))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AdapterError(f"read: {path} has no readable dvpt_monai header; it is no adapter, or damaged") from error
    if not known:
        raise AdapterError(f"read: {path} has adapter format {header['format']}, this version reads {FORMAT}; upgrade")
    if not intact:
        raise AdapterError(f"read: {path} is damaged, its sha256 does not agree with its content; copy it again")
    return header, held


def _from_format_1(header: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors as format 2 has them; the sha256 stays that of the file."""
    settings, result = as_settings_and_result(header["task"])
    rest = {name: value for name, value in header.items() if name != "task"}
    shapes = {_today(key): value for key, value in header["tensors"].items()}
    header = {**rest, "tensors": shapes, "network": {}, "settings": settings, "result": result}
    return header, {_today(key): value for key, value in tensors.items()}


def _today(key: str) -> str:
    return re.sub(r"(?<=\.tuner\.)(down|up)$", lambda match: LORA[match[1]], key)


def _shapes(tensors: dict[str, Tensor]) -> dict[str, list[Any]]:
    return {key: [str(value.dtype).removeprefix("torch."), *value.shape] for key, value in tensors.items()}


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps({**header, "sha256": ""}, sort_keys=True).encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(content(tensors[key]))
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    ours = {"dvpt-monai": __version__}  # also where it runs from a checkout that is not installed
    return ours | {name: version(name) for name in ("torch", "monai", "safetensors")}
