"""MONAI's checkpoint loader, with an error that says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from monai.handlers import CheckpointLoader as MonaiCheckpointLoader

from dvpt_monai.bundle_files import ADAPTER, MODEL, completion
from dvpt_monai.errors import AdapterError, CheckpointError
from dvpt_monai.handlers.checkpoint_saver import previous_of
from dvpt_monai.torch_file import check_finite, read_torch_file
from dvpt_monai.tuning import read_header
from dvpt_monai.tuning.adapter import adapter_beside
from dvpt_monai.tuning.agreement import check_agreement

__all__ = ["CheckpointLoader"]


class CheckpointLoader(MonaiCheckpointLoader):
    """Load a checkpoint before an evaluation, every tensor of it, or say what is wrong with it.

    Damage, NaN, and a ``model.pt`` of another epoch than its adapter are errors.

    Where an adapter lies beside the checkpoint, the message quotes the method and the settings from its header, those
    that the network has to be built with.

    Args:
        load_path: the checkpoint.
        load_dict: as in MONAI, for example ``{"model": network}``.
        arguments: further arguments of MONAI's ``CheckpointLoader``.

    Raises:
        CheckpointError: when the run starts.
    """

    def __init__(self, load_path: str, load_dict: dict[str, Any], **arguments: Any) -> None:
        super().__init__(load_path, load_dict, **arguments)

    def __call__(self, engine: Engine) -> None:
        """Load it."""
        path = Path(self.load_path)
        bundle = path.parent.parent
        if not path.is_file() and path == bundle / MODEL and (bundle / ADAPTER).is_file():
            raise CheckpointError(
                f"{path}: no such file, but its adapter: this bundle is slim. Complete it first:\n{completion(bundle)}"
            )
        if not path.is_file():
            raise CheckpointError(
                f"{path}: no such file. Train first (`python -m monai.bundle run training`), name another with "
                "--checkpoint, or give an adapter and its backbone with --adapter and --backbone_weights"
            )
        try:
            state = read_torch_file(path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}{_instead(path)}") from error
        try:
            super().__call__(engine)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path} does not fit the network, or is damaged: {_short(error)}\nBuild the network with the settings "
                f"of its training{_settings(path.parent)}"
            ) from error
        except Exception as error:  # what torch.load raises on damaged files is of many types
            raise CheckpointError(f"{path} cannot be read ({_short(error)}); copy or train it again") from error
        check_finite(state, path)
        check_agreement(state, path)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) < 400 else f"{text[:400]} ..."


def _instead(path: Path) -> str:
    """What lies beside a damaged checkpoint and holds the same network, or the one before it."""
    adapter, previous = adapter_beside(path), previous_of(path)
    ways = []
    if path.name == Path(MODEL).name and adapter.is_file():
        ways.append(f"the same network is in --adapter {adapter} with --backbone_weights NAME")
    if previous.is_file():
        ways.append(f"the good one before it is --checkpoint {previous}")
    return f". Or go on without it: {'; '.join(ways)}" if ways else ""


def _settings(folder: Path) -> str:
    for path in sorted(folder.glob("*.safetensors")):
        try:
            header = read_header(path)
        except AdapterError:
            continue
        method, settings = json.dumps(header["method"]), json.dumps(header["settings"])
        return f"; {path.name} beside it was trained with {method} for {settings}"
    return " (method, num_classes, image_size, ...)"
