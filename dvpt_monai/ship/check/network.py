"""The network of a bundle: as its metadata say, loaded, and in the forms in which it leaves Python."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from monai.bundle import ckpt_export, onnx_export, verify_net_in_out
from torch import Tensor

from dvpt_monai.bundle_files import ADAPTER, completion
from dvpt_monai.errors import BundleError, CheckpointError, reason
from dvpt_monai.ship.check.row import Failed, Skipped
from dvpt_monai.ship.check.trial import Trial
from dvpt_monai.ship.fit import settings_of, undescribed, unfit
from dvpt_monai.ship.network import network_of
from dvpt_monai.torch_file import read_torch_file

__all__ = ["checkpoint", "exported", "in_out", "onnx", "torchscript"]

EXPORTS = "attach the network's tuners with methods that export (docs/methods.md), or correct the network"


def checkpoint(trial: Trial) -> str:
    """models/model.pt fits network_def, every tensor of it; where there is none, random weights take its place."""
    network = network_of(trial.root)
    if not trial.model.is_file():
        trial.model.parent.mkdir(exist_ok=True)
        torch.save(network.state_dict(), trial.model)
        slim = f"; `{completion(trial.source)}` makes it" if (trial.source / ADAPTER).is_file() else ""
        return "none yet, random weights stand in for it" + slim
    try:
        state = read_torch_file(trial.model)
    except CheckpointError as error:
        raise Failed(f"cannot be read: {error}", "copy or train it again") from error
    problem = unfit(state, network.state_dict())
    if problem:
        raise Failed(problem, settings_of(trial.source))
    return f"{len(state)} tensors"


def in_out(trial: Trial, config: str) -> str:
    """MONAI's ``verify_net_in_out``, on the CPU."""
    try:
        verify_net_in_out(
            "network_def",
            meta_file=str(trial.config("metadata")),
            config_file=str(trial.config(config)),
            device="cpu",
            bundle_root=str(trial.root),
        )
    except Exception as error:
        raise Failed(
            _message(error),
            undescribed(trial.root) or f"make configs/{config}.json and network_data_format agree",
        ) from error
    return ""


def torchscript(trial: Trial) -> str:
    """MONAI's ``ckpt_export`` scripts the network; outputs are equal."""
    target = trial.root / "models" / "checked.ts"
    try:
        ckpt_export("network_def", filepath=str(target), **_files(trial))
        _compare(trial, torch.jit.load(target), 1e-5)
    except Exception as error:
        raise Failed(_message(error), EXPORTS) from error
    return ""


def exported(trial: Trial) -> str:
    """``torch.export`` with any size of the batch; outputs are equal."""
    try:
        program = torch.export.export(trial.network, (trial.batch(2),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        _compare(trial, program.module(), 1e-5)
    except Exception as error:
        raise Failed(_message(error), EXPORTS) from error
    return ""


def onnx(trial: Trial) -> str:
    """MONAI's ``onnx_export`` with any size of the batch; onnxruntime gives the same outputs to 1e-4."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise Skipped(f"{package} is not installed", "install dvpt_monai[onnx]") from error
    import onnxruntime

    target = trial.root / "models" / "checked.onnx"
    axes = {"image": {0: "batch"}, "pred": {0: "batch"}}
    try:
        onnx_export(
            "network_def",
            filepath=str(target),
            input_shape=list(trial.batch(2).shape),  # of 1 the exporter makes a constant
            use_trace=True,
            converter_kwargs={"input_names": ["image"], "output_names": ["pred"], "dynamic_axes": axes},
            **_files(trial),
        )
        session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
        _compare(trial, lambda batch: torch.from_numpy(session.run(None, {"image": batch.numpy()})[0]), 1e-4)
    except Exception as error:
        raise Failed(_message(error), EXPORTS) from error
    return ""


def _files(trial: Trial) -> dict[str, Any]:
    return {
        "ckpt_file": str(trial.model),
        "meta_file": str(trial.config("metadata")),
        "config_file": str(trial.config("inference")),
        "bundle_root": str(trial.root),
    }


def _compare(trial: Trial, other: Any, tolerance: float) -> None:
    for size in (1, 3):
        batch = trial.batch(size)
        with torch.no_grad():
            expected, actual = trial.network(batch), other(batch)
        if expected.shape != actual.shape:
            raise BundleError(f"{tuple(actual.shape)} comes out, not {tuple(expected.shape)}")
        difference = distance(actual, expected)
        if not difference <= tolerance:
            raise BundleError(f"outputs differ by {difference:.2g} of the largest")


def distance(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, in shares of the largest value expected.

    Example:
        >>> distance(torch.tensor([1.0, 10.5]), torch.tensor([1.0, 10.0]))
        0.05
    """
    scale = max(float(expected.abs().max()), 1e-12)
    return round(float((actual - expected).abs().max()) / scale, 12)


def _message(error: Exception) -> str:
    """The first lines that say something, without the programs that exporters print."""
    text = " ".join(str(reason(error)).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."
