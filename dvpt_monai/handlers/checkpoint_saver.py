"""MONAI's checkpoint saver, whose files survive a kill, a full disk and a metric without a value."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine
from ignite.handlers import DiskSaver
from monai.handlers import CheckpointSaver as MonaiCheckpointSaver

from dvpt_monai.errors import CheckpointError
from dvpt_monai.metrics import rank
from dvpt_monai.torch_file import non_finite
from dvpt_monai.whole_file import whole_file

__all__ = ["CheckpointSaver"]

logger = logging.getLogger(__name__)


class CheckpointSaver(MonaiCheckpointSaver):
    """Save the network whenever a metric is as good as never before, whole or not at all.

    MONAI's own deletes the old file and then writes the new one in place: what ends the process in between leaves no
    network. Here the new file takes the place of the old one in one step, once it is on the disk. A metric without a
    value (NaN) is worse than any: it replaces only a network that no value chose. A network that holds NaN or infinity
    is not saved. Of a file of one name the one before it is kept, as ``model.previous.pt``, for the day when the disk
    damages the last one.

    Args:
        save_dir: folder of the checkpoints.
        save_dict: what to save, for example ``{"model": network}``.
        arguments: further ones of MONAI's ``CheckpointSaver``.

    Raises:
        CheckpointError: the checkpoint cannot be written, or would hold NaN; what was there is there still.

    Example:
        >>> import tempfile
        >>> evaluator = Engine(lambda engine, batch: None)
        >>> evaluator.state.metrics, evaluator.state.key_metric_name = {"dice": 0.9}, "dice"
        >>> with tempfile.TemporaryDirectory() as home:
        ...     saver = CheckpointSaver(home, {"model": torch.nn.Linear(2, 1)}, save_key_metric=True,
        ...                             key_metric_filename="model.pt")
        ...     saver.attach(evaluator)
        ...     _ = evaluator.run([0])
        ...     sorted(torch.load(Path(home, "model.pt"), weights_only=True))
        ['bias', 'weight']
    """

    def __init__(self, save_dir: str, save_dict: dict[str, Any], **arguments: Any) -> None:
        super().__init__(save_dir, save_dict, **arguments)
        for checkpoint in (self._final_checkpoint, self._key_metric_checkpoint, self._interval_checkpoint):
            if checkpoint is not None:
                theirs: Any = checkpoint.save_handler
                checkpoint.save_handler = WholeFiles(save_dir, theirs.filename)
        if self._key_metric_checkpoint is not None:
            of = self._key_metric_checkpoint.score_function
            self._key_metric_checkpoint.score_function = _or_lowest(of, arguments.get("key_metric_name"))

    def state_dict(self) -> dict[str, Any]:
        """The best value so far, for a training that goes on later."""
        checkpoint = self._key_metric_checkpoint
        saved = [] if checkpoint is None else checkpoint._saved
        return {"saved": [[float(item.priority), str(item.filename)] for item in saved]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best value of :meth:`state_dict`, whose file has to be there: nothing worse would replace it.

        Raises:
            CheckpointError: it is gone.
        """
        if self._key_metric_checkpoint is not None:
            theirs: Any = self._key_metric_checkpoint.save_handler
            for value, name in state_dict["saved"]:
                path = Path(self.save_dir, theirs.filename or name)
                if not path.is_file():
                    raise CheckpointError(
                        f"{path}: no such file, but the training that goes on chose it, with {value:.4g}; copy it from "
                        "where that trained, or train anew with --resume never"
                    )
            item = type(self._key_metric_checkpoint).Item
            self._key_metric_checkpoint._saved = [item(value, name) for value, name in state_dict["saved"]]


def previous_of(path: Path) -> Path:
    """Where the checkpoint lies that stood at a path before the last one.

    Example:
        >>> previous_of(Path("models/model.pt")).as_posix()
        'models/model.previous.pt'
    """
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def keep_previous(path: Path) -> None:
    """Give a checkpoint that is about to be replaced a second name, in place of the one that had that name."""
    with whole_file(previous_of(path)) as part:
        part.unlink()
        try:
            os.link(path, part)
        except OSError:  # file systems of some sticks and shares have no links
            shutil.copyfile(path, part)


def _or_lowest(score: Any, name: str | None) -> Any:
    """The same score, where NaN is lower than every value: MONAI's first NaN would stay the best for ever."""

    def of(engine: Engine) -> float:
        value = rank(score(engine))
        if math.isinf(value):
            metric = name or getattr(engine.state, "key_metric_name", None)
            logger.warning("%s has no value: it chooses no network; the last one is kept until one has a value", metric)
        return value

    return of


class WholeFiles(DiskSaver):
    """Ignite's saver of files, whole or not at all, in place of each other."""

    def __init__(self, dirname: str, filename: str | None) -> None:
        super().__init__(dirname=dirname, require_empty=False)
        self.filename = filename

    def __call__(self, checkpoint: Mapping[str, Any], filename: str, metadata: Mapping[str, Any] | None = None) -> None:
        if idist.get_rank() != self.save_on_rank:
            return
        path = Path(self.dirname) / (self.filename or filename)
        if name := non_finite(checkpoint):
            raise CheckpointError(f"{path}: {name} holds NaN or infinity; it was not saved, what was there stays")
        try:
            with whole_file(path) as part:
                torch.save(checkpoint, part)
                if self.filename is not None and path.is_file() and not path.is_symlink():
                    keep_previous(path)
        except (OSError, RuntimeError) as error:  # PyTorch's zip writer says RuntimeError where the disk is full
            raise CheckpointError(
                f"{path} cannot be written ({str(error).splitlines()[0]}); make room, or name another folder with "
                "--models_dir. What was there is there still"
            ) from error

    def remove(self, filename: str) -> None:
        """Remove a checkpoint that is no longer among the best; one of a fixed name is replaced, never removed."""
        if self.filename is None:
            super().remove(filename)
