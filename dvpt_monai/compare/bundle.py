"""A bundle as a comparison runs it: its own configs, without what only watches or keeps a training."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from monai.bundle import ConfigParser, ConfigWorkflow

from dvpt_monai.bundle.options import check_overrides
from dvpt_monai.errors import BundleError, DvptError, reason

__all__ = ["Bundle", "logged"]

TRAIN, EVALUATE = "train.json", "evaluate.json"
OBSERVERS = {
    *("ClassificationFigure", "Curves", "LabelsFigure", "MetricsLog", "MetricsTable", "OverlayFigure"),
    *("ProgressBar", "SegmentationFigure", "StatsHandler", "TensorBoardStatsHandler"),
}
"""Handlers that change no result."""
SAVERS = {"AdapterSaver", "CheckpointSaver"}
"""Handlers that write what an evaluation reads: the network, and how it was trained."""
IDLE = ("$print(", "$bundle.warn_of_replacing(", "$bundle.lock(", "$@resumption.")
"""How steps of a program begin that change none, either; a run that is killed begins anew."""
SHARED = "dvpt_monai.compare.images.SharedImages"
CACHED = "dvpt_monai.bundle.CacheDataset"


@dataclass(frozen=True)
class Bundle:
    """A bundle with options for all of its runs.

    Args:
        root: its folder.
        options: by the names at the top of its configs.

    Raises:
        BundleError: it has no config, or an option is unknown or of another kind.
    """

    root: Path
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        missing = [str(file) for file in self._files(True) if not file.is_file()]
        if missing:
            raise BundleError(f"{missing[0]}: no such file; --bundle takes the folder of a bundle, with its configs")
        self.check(self.options)

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse options that the configs cannot take.

        Raises:
            BundleError: says which.
        """
        check_overrides(options, self._config(True))

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.root.resolve().name

    @cached_property
    def digest(self) -> str:
        """Of what its configs hold."""
        return sha256(b"".join(file.read_bytes() for file in self._files(True))).hexdigest()[:12]

    @cached_property
    def known(self) -> frozenset[str]:
        """The options of a training."""
        return frozenset(self._config(False))

    @cached_property
    def folds(self) -> int:
        """Into how many its training cases fall; 1 where it says itself which of them validate."""
        if "folds" not in self.known:
            return 1
        parser = self.workflow({"fold": 0}).parser
        count = int(parser.get_parsed_content("folds"))
        if count < 2:
            raise BundleError(f"folds={count}: a search needs two folds or more; leave the option out")
        first, second = (self.workflow({"fold": f}).parser.get_parsed_content("val_cases") for f in (0, 1))
        return 1 if first == second else count

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The options with which all training cases train; none where the bundle always holds some out."""
        if self.folds == 1:
            return {}
        try:
            self.workflow({"folds": 1, "fold": 0}).parser.get_parsed_content("train_cases")
        except Exception as error:
            if not isinstance(reason(error), DvptError):
                raise
            return {}
        return {"folds": 1, "fold": 0}

    def searching(self, fraction: float) -> dict[str, Any]:
        """The options with which no copy of a case that validates trains, and labels are few on both sides."""
        changes = {}
        training, validation = (self._config(False)[name] for name in ("train_cases", "val_cases"))
        if fraction < 1:
            changes["val_cases"] = f"$data.label_fraction({_inner(validation)}, @label_fraction, @seed)"
        changes["train_cases"] = f"$data.without_copies({_inner(training)}, @val_cases)"
        return changes

    def workflow(self, options: Mapping[str, Any], test: bool = False, saves: bool = False) -> ConfigWorkflow:
        """Its configs, ready to run ``training``, or with `test` ``evaluating``.

        Args:
            options: of this run.
            test: whether the test cases are read.
            saves: whether the trained network is written, for an evaluation.
        """
        config = self._config(test)
        given = {**self.options, **options}
        left_out = OBSERVERS if saves or test else OBSERVERS | SAVERS
        changes: dict[str, Any] = {
            f"{part}#handlers#{place}#_disabled_": True
            for part in ("train", "validate")
            for place, handler in enumerate(config[part]["handlers"])
            if isinstance(handler, dict) and str(handler.get("_target_")).rpartition(".")[2] in left_out
        }
        for program in ("training", "evaluating"):
            if program in config:
                changes[program] = [step for step in config[program] if not str(step).startswith(IDLE)]
        if given.get("cache_rate", config.get("cache_rate")) == 1:
            for part in ("train", "validate"):
                if config[part]["dataset"]["_target_"] in (CACHED, "Dataset"):
                    changes[f"{part}#dataset#_target_"] = SHARED
        given = {name: value for name, value in given.items() if name.split("#")[0].split("::")[0] in config}
        workflow = ConfigWorkflow(
            [str(file) for file in self._files(test)],
            workflow_type="train",
            logging_file=False,
            run_id="evaluating" if test else "training",
            **changes,
            **given,
        )
        workflow.initialize()
        return workflow

    def _files(self, test: bool) -> list[Path]:
        return [self.root / "configs" / name for name in ((TRAIN, EVALUATE) if test else (TRAIN,))]

    def _config(self, test: bool) -> dict[str, Any]:
        return ConfigParser.load_config_files([str(file) for file in self._files(test)])


def _inner(expression: Any) -> str:
    """An expression of a config, to stand inside another."""
    if not isinstance(expression, str) or expression[:1] not in ("$", "@"):
        raise BundleError(f"{expression!r}: train_cases and val_cases of the config have to be expressions")
    return expression.removeprefix("$")


@contextmanager
def _below_python(file: TextIO) -> Iterator[None]:
    """The errors' channel of the process, which PyTorch's C++ writes to, leads into a file."""
    before = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """What is printed, logged or warned of goes into a file, and nowhere else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
    owners = [each for each in known if isinstance(each, logging.Logger) and (each.handlers or each is logging.root)]
    before = [(each, each.handlers[:], each.level) for each in owners]
    with path.open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file), _below_python(file):
        writer = logging.StreamHandler(file)
        writer.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        for each in owners:
            each.handlers[:] = [writer]
        logging.root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        try:
            yield
        except Exception:
            traceback.print_exc(file=file)
            raise
        finally:
            logging.captureWarnings(False)
            for each, handlers, level in before:
                each.handlers[:] = handlers
                each.setLevel(level)
