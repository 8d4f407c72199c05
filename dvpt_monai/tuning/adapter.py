"""Adapters: what training changed, in one small safetensors file that knows which backbone it belongs to.

The file holds every trained tensor (tuners, head, decoder, their buffers) and a JSON header: format version, method
and its arguments, train patterns, library versions, task, the backbone's receipt and fingerprint, and a sha256 over
all of it. No pickle is read or written anywhere.

**Fingerprint.** Bytes differ between machines where values do not (a float32 resize differs between 1 and 2 threads),
so each frozen tensor is described by its name, shape, norm and eight fixed projections, all in float64. Another
backbone is far away (1 % noise on one tensor moves it by 7e-3 of its norm), rounding is near (1e-5 noise: 3e-5).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dvpt_monai.errors import AdapterError, BackboneMismatchError, TuningError
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.trains import Tuning, frozen_tensors, trained_tensors
from dvpt_monai.tuning.tune import remember, take_out, tune, untune
from dvpt_monai.version import __version__
from dvpt_monai.whole_file import whole_file

__all__ = ["adapter_beside", "load_adapter", "read_header", "save_adapter", "swap_adapter"]

FORMAT = 1
TOLERANCE = {"float64": 1e-4, "float32": 1e-4, "bfloat16": 2e-2, "float16": 2e-3}
"""Largest accepted change of a norm or projection, relative to the tensor's norm, by the coarser of both dtypes."""

Network = TypeVar("Network", bound=nn.Module)


def save_adapter(network: nn.Module, path: str | os.PathLike[str], task: dict[str, Any] | None = None) -> Path:
    """Write everything that training changed to ``path``; the file appears whole or not at all.

    Args:
        network: a network that :func:`~dvpt_monai.tune` tuned.
        path: the file to write, by custom ``*.safetensors``.
        task: what the network predicts (labels, spacing, metric): any JSON-ready values, kept in the header.

    Returns:
        The path.

    Raises:
        TuningError: the network is not tuned.
        AdapterError: a tensor is not finite, or ``task`` is not JSON-ready; nothing is written.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in trained_tensors(network).items()}
    for key, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise AdapterError(f"save_adapter: {key} holds NaN or infinity; nothing was written to {path}")
    tuning: Tuning = network.tuning  # type: ignore[assignment]
    receipt = getattr(network, "receipt", None)
    header = {
        "format": FORMAT,
        "method": tuning.method.arguments(),
        "train": list(tuning.train),
        "tensors": _shapes(tensors),
        "backbone": {"receipt": receipt.as_dict() if receipt else None, "fingerprint": fingerprint(network)},
        "task": task or {},
        "versions": _versions(),
    }
    try:
        header = json.loads(json.dumps(header))  # as it will be read: keys are strings, tuples are lists
    except (TypeError, ValueError) as error:
        raise AdapterError(f"save_adapter: task is not JSON-ready ({error}); nothing was written to {path}") from error
    header["sha256"] = _digest(header, tensors)
    path = Path(path)
    with whole_file(path) as part:
        part.write_bytes(save(tensors, metadata={"dvpt_monai": json.dumps(header)}))
    return path


def adapter_beside(checkpoint: str | os.PathLike[str]) -> Path:
    """Where the training that wrote a checkpoint wrote its adapter.

    Example:
        >>> adapter_beside("bundle/models/model.pt").as_posix()
        'bundle/models/adapter.safetensors'
    """
    return Path(checkpoint).with_name("adapter.safetensors")


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON header of an adapter, without loading its tensors.

    Raises:
        AdapterError: the file is missing, is no adapter of this package, or is of a newer format.
    """
    return _read(path, tensors=False)[0]


def load_adapter(network: Network, path: str | os.PathLike[str]) -> Network:
    """Tune a plain network exactly as the adapter's was, in place.

    Everything is checked before anything changes: the file's sha256, the backbone's fingerprint, every name and shape.

    Args:
        network: the plain network, with the backbone that the adapter was trained on.
        path: a file of :func:`save_adapter`.

    Returns:
        The same network, tuned.

    Raises:
        AdapterError: the file is missing or damaged, its method is unknown, or its tensors do not fit.
        BackboneMismatchError: the backbone is another one; the message names the tensor that differs most.
        TuningError: the network is tuned already (:func:`swap_adapter` exchanges).
    """
    header, tensors = _read(path, tensors=True)
    if isinstance(getattr(network, "tuning", None), Tuning):
        raise TuningError(f"load_adapter: the network is already tuned; swap_adapter(network, {str(path)!r}) exchanges")
    check_backbone(network, header["backbone"]["fingerprint"], path)
    restore = remember(network)
    try:
        tune(network, Method.from_arguments(header["method"]), train=header["train"])
    except TuningError as error:
        raise AdapterError(f"load_adapter: {path} does not fit {type(network).__name__}: {error}") from error
    try:
        _check_fit(network, header["backbone"]["fingerprint"], tensors, path)
    except BaseException:
        untune(network)
        restore()
        raise
    with torch.no_grad():
        for key, target in trained_tensors(network).items():
            target.copy_(tensors[key])
    return network


def swap_adapter(network: Network, path: str | os.PathLike[str]) -> Network:
    """Exchange the adapter of a tuned network for the one at ``path``, in place; the backbone stays bit-identical.

    Raises:
        AdapterError: the file does not fit; the network then keeps the very tuners that it had.
    """
    if not isinstance(getattr(network, "tuning", None), Tuning):
        return load_adapter(network, path)
    restore = remember(network)
    put_back = take_out(network)
    del network.tuning, network.train
    try:
        return load_adapter(network, path)
    except BaseException:
        put_back()
        restore()
        raise


def fingerprint(network: nn.Module) -> dict[str, Any]:
    """Dtype, shape, norm and eight projections, in float64, of every tensor that a tuned network does not train."""
    return {key: _describe(value) for key, value in frozen_tensors(network).items()}


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
    step = 1 << 20
    for start in range(0, values.size, step):
        part = values[start : start + step]
        signs = stream.random_raw(step // 8).view(np.uint8)[: part.size]
        bits = np.unpackbits(signs[:, None], axis=1).astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinities become NaN, which agrees with nothing
            sums += 2.0 * (part @ bits) - part.sum()
    return [float(value) for value in sums]


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
    for key, want in expected.items():
        if list(state[key].shape) != want["shape"]:
            raise BackboneMismatchError(
                f"load_adapter: {key} is {tuple(state[key].shape)} here and {tuple(want['shape'])} in the backbone of "
                f"{path}; build the network with the sizes of the adapter's backbone"
            )
        have = _describe(state[key])
        tolerance = max(TOLERANCE.get(have["dtype"], 0.0), TOLERANCE.get(want["dtype"], 0.0), 1e-12)
        moved = max(
            abs(have["norm"] - want["norm"]),
            *(abs(a - b) for a, b in zip(have["projections"], want["projections"], strict=True)),
        )
        distance = moved / max(want["norm"], 1e-12) / tolerance
        if math.isnan(distance):
            distance = math.inf
        if distance > worst:
            worst, where = distance, key
    if worst > 1.0:
        raise BackboneMismatchError(
            f"load_adapter: {path} was trained on another backbone: {where} differs by {worst:.3g} times what rounding "
            "allows. Load the backbone that the header names (read_header(path)['backbone']['receipt'])"
        )


def _check_fit(
    network: nn.Module, expected: dict[str, Any], tensors: dict[str, Tensor], path: str | os.PathLike[str]
) -> None:
    targets = trained_tensors(network)
    here = type(network).__name__
    deeper = sorted(frozen_tensors(network).keys() - expected.keys())
    missing, surplus = sorted(targets.keys() - tensors.keys()), sorted(tensors.keys() - targets.keys())
    other = [key for key, target in targets.items() if key in tensors and target.shape != tensors[key].shape]
    if deeper:
        raise BackboneMismatchError(
            f"load_adapter: {path} belongs to a backbone without {deeper[0]} and {len(deeper) - 1} other tensors of "
            f"this {here}; build the network with the depth and registers of that backbone"
        )
    if missing:
        problem = f"it lacks {missing[0]} ({len(missing)} missing in all)"
    elif surplus:
        problem = f"the network has no {surplus[0]} ({len(surplus)} surplus in all)"
    elif other:
        problem = (
            f"{other[0]} is {tuple(tensors[other[0]].shape)} in the file and {tuple(targets[other[0]].shape)} in the "
            "network; build the network with the sizes (classes, channels, image size) that it was trained with"
        )
    else:
        return
    raise AdapterError(f"load_adapter: {path} does not fit {here}: {problem}")


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
        header = json.loads(metadata["dvpt_monai"])
        known = header["format"] <= FORMAT
        checked = not tensors or (header["sha256"] == _digest(header, held) and header["tensors"] == _shapes(held))
        header["method"], header["train"], header["backbone"]["fingerprint"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AdapterError(f"read: {path} has no readable dvpt_monai header; it is no adapter, or damaged") from error
    if not known:
        raise AdapterError(f"read: {path} has adapter format {header['format']}, this version reads {FORMAT}; upgrade")
    if not checked:
        raise AdapterError(f"read: {path} is damaged, its sha256 does not agree with its content; copy it again")
    return header, held


def _shapes(tensors: dict[str, Tensor]) -> dict[str, list[Any]]:
    return {key: [str(value.dtype).removeprefix("torch."), *value.shape] for key, value in tensors.items()}


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps({**header, "sha256": ""}, sort_keys=True).encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    ours = {"dvpt-monai": __version__}  # also where it runs from a checkout that is not installed
    return ours | {name: version(name) for name in ("torch", "monai", "safetensors")}
