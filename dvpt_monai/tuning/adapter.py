"""Adapters: what training changed, in one small safetensors file that knows which backbone it belongs to.

The file holds every trained tensor (tuners, head, decoder, their buffers) under a header that
:mod:`dvpt_monai.tuning.header` describes. No pickle is read or written anywhere.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dvpt_monai.errors import AdapterError, TuningError
from dvpt_monai.torch_file import non_finite
from dvpt_monai.tuning.architecture import architecture, check_architecture
from dvpt_monai.tuning.fingerprint import check_backbone, check_depth, fingerprint
from dvpt_monai.tuning.header import as_settings_and_result, read_adapter, write_adapter
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.trains import is_tuned, trained_tensors, tuning_of
from dvpt_monai.tuning.tune import remember, take_off, take_out, tune
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = ["adapter_beside", "load_adapter", "save_adapter", "swap_adapter"]

Network = TypeVar("Network", bound=nn.Module)


def save_adapter(
    network: nn.Module,
    path: str | os.PathLike[str],
    settings: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    *,
    task: dict[str, Any] | None = None,
) -> Path:
    """Write everything that training changed to ``path``; the file appears whole or not at all.

    Args:
        network: a network that :func:`~dvpt_monai.tune` tuned; where it is compiled or parallel, what is inside.
        path: the file to write, by custom ``*.safetensors``.
        settings: what the network has to be built and fed with (classes, image size, spacing): any JSON-ready values,
            kept in the header.
        result: what came of the training (task, metric, value), likewise.
        task: the former name of both together; deprecated.

    Returns:
        The path.

    Raises:
        TuningError: the network is not tuned.
        AdapterError: a tensor is not finite, or the header is not JSON-ready; nothing is written.
    """
    if task is not None:
        warnings.warn("save_adapter: task= is now settings= and result=", DeprecationWarning, stacklevel=2)
        old_settings, old_result = as_settings_and_result(task)
        settings, result = {**old_settings, **(settings or {})}, {**old_result, **(result or {})}
    network = unwrap_model(network)
    tuning = tuning_of(network, "save_adapter")
    tensors = {key: value.detach().cpu().contiguous() for key, value in trained_tensors(network).items()}
    if key := non_finite(tensors):
        raise AdapterError(f"save_adapter: {key} holds NaN or infinity; nothing was written to {path}")
    receipt = getattr(network, "receipt", None)
    header = {
        "method": tuning.method.arguments(),
        "train": tuning.train,
        "network": architecture(network),
        "backbone": {"receipt": receipt.as_dict() if receipt else None, "fingerprint": fingerprint(network)},
        "settings": settings or {},
        "result": result or {},
    }
    return write_adapter(path, header, tensors)


def adapter_beside(checkpoint: str | os.PathLike[str]) -> Path:
    """Where the training that wrote a checkpoint wrote its adapter.

    Example:
        >>> adapter_beside("bundle/models/model.pt").as_posix()
        'bundle/models/adapter.safetensors'
    """
    return Path(checkpoint).with_name("adapter.safetensors")


def load_adapter(network: Network, path: str | os.PathLike[str]) -> Network:
    """Tune a plain network exactly as the adapter's was, in place.

    Everything is checked before anything changes: the file's sha256, the backbone's fingerprint, heads, eps,
    activation and pooling, every name and shape.

    Args:
        network: the plain network, with the backbone that the adapter was trained on.
        path: a file of :func:`save_adapter`.

    Returns:
        The same network, tuned.

    Raises:
        AdapterError: the file is missing or damaged, its method is unknown, its tensors do not fit, or the network
            would compute something else with them.
        BackboneMismatchError: the backbone is another one; the message names the tensor that differs most.
        TuningError: the network is tuned already (:func:`swap_adapter` exchanges), or is in a
            ``DistributedDataParallel``.
    """
    inner = unwrap_model(network, changes="load_adapter")
    header, tensors = read_adapter(path)
    if is_tuned(inner):
        raise TuningError(f"load_adapter: the network is already tuned; swap_adapter(network, {str(path)!r}) exchanges")
    expected = header["backbone"]["fingerprint"]
    check_backbone(inner, expected, path)
    check_architecture(inner, header["network"], path)
    restore = remember(inner)
    try:
        tune(inner, Method.from_arguments(header["method"]), train=header["train"])
    except TuningError as error:
        raise AdapterError(f"load_adapter: {path} does not fit {type(inner).__name__}: {error}") from error
    try:
        check_depth(inner, expected, path)
        _check_fit(inner, tensors, path)
    except BaseException:
        take_off(inner)
        restore()
        raise
    with torch.no_grad():
        for key, target in trained_tensors(inner).items():
            target.copy_(tensors[key])
    return network


def swap_adapter(network: Network, path: str | os.PathLike[str]) -> Network:
    """Exchange the adapter of a tuned network for the one at ``path``, in place; the backbone stays bit-identical.

    Raises:
        AdapterError: the file does not fit; the network then keeps the very tuners that it had.
        TuningError: the network is in a ``DistributedDataParallel``.
    """
    inner = unwrap_model(network, changes="swap_adapter")
    if not is_tuned(inner):
        load_adapter(inner, path)
        return network
    restore = remember(inner)
    put_back = take_out(inner)
    del inner.tuning, inner.train
    try:
        load_adapter(inner, path)
    except BaseException:
        put_back()
        restore()
        raise
    return network


def _check_fit(network: nn.Module, tensors: dict[str, Tensor], path: str | os.PathLike[str]) -> None:
    targets = trained_tensors(network)
    missing, surplus = sorted(targets.keys() - tensors.keys()), sorted(tensors.keys() - targets.keys())
    other = [key for key, target in targets.items() if key in tensors and target.shape != tensors[key].shape]
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
    raise AdapterError(f"load_adapter: {path} does not fit {type(network).__name__}: {problem}")
