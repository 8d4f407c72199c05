"""Weights that a host reads by itself, such as MONAI Label: looked at before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from dvpt_monai.bundle.callers import callers
from dvpt_monai.errors import CheckpointError
from dvpt_monai.torch_file import check_finite, read_torch_file
from dvpt_monai.tuning.agreement import check_agreement

__all__ = ["check_beginning", "checks_weights"]

Network = TypeVar("Network", bound=nn.Module)
HOSTS = {
    "monailabel.tasks.infer.basic_infer": "path",
    "monai.deploy.operators.monai_bundle_inference_operator": "model_path",
}
"""Modules of hosts that load a checkpoint without a look at its checksums, and what they call its path."""


def checks_weights(network: Network) -> Network:
    """The same network, which refuses what a host loads into it from a damaged checkpoint.

    MONAI Label and MONAI Deploy read ``models/model.pt`` by ``torch.load`` alone, which most flipped bits pass; MONAI
    Label also passes over tensors that are missing.

    Raises:
        CheckpointError: when a host loads a file that is damaged, incomplete, of another epoch than its adapter, or
            that holds NaN.

    Example:
        >>> network = checks_weights(nn.Linear(1, 1))
        >>> network.load_state_dict({"weight": network.weight, "bias": network.bias})  # of no host: no file to look at
        <All keys matched successfully>
    """
    network.register_load_state_dict_pre_hook(_check)
    return network


def check_beginning(config: Mapping[str, Any]) -> None:
    """Look at the checkpoint that MONAI Label lets a training begin from, which MONAI's handler reads unchecked.

    Args:
        config: of the training, with the host's values.

    Raises:
        CheckpointError: it is damaged, holds NaN, or is of another epoch than its adapter.
    """
    train = config.get("train")
    handlers = config.get("train#handlers", train.get("handlers") if isinstance(train, Mapping) else None)
    for handler in handlers if isinstance(handlers, list) else ():
        if isinstance(handler, Mapping) and handler.get("_target_") == "CheckpointLoader":
            path = Path(str(handler.get("load_path")))
            if path.is_file():
                _read(path)


def _check(network: nn.Module, state: Mapping[str, Any], prefix: str, *unused: Any) -> None:
    for frame in callers():
        name = HOSTS.get(frame.f_globals.get("__name__", ""), "")
        if name in frame.f_locals:
            path = Path(frame.f_locals[name])
            absent = sorted(network.state_dict().keys() - _read(path).keys())
            if absent:
                raise CheckpointError(
                    f"{path} lacks {absent[0]} and {len(absent) - 1} other tensors of the network; name the method of "
                    "its training in configs/inference.json, or train it again"
                )
            return


def _read(path: Path) -> dict[str, Any]:
    content = read_torch_file(path)
    state: dict[str, Any] = content.get("model", content)  # as hosts take it
    check_finite(state, path)
    check_agreement(state, path)
    return state
