"""One run: train, score, and the row of it."""

from __future__ import annotations

import gc
import json
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.utils import is_scalar

from dvpt_monai.compare.bundle import Bundle, logged
from dvpt_monai.compare.entrants import target
from dvpt_monai.compare.machine import machine
from dvpt_monai.compare.memory import PeakMemory
from dvpt_monai.compare.study import Run
from dvpt_monai.data.case import Case
from dvpt_monai.errors import reason
from dvpt_monai.handlers.intervals import patients_of, resampled
from dvpt_monai.metrics import interval
from dvpt_monai.tuning import report

__all__ = ["RESAMPLED", "train"]

RESAMPLED = "resampled.npy"
"""The key metric of each resample of the scored cases, in the folder of a run."""


def train(bundle: Bundle, run: Run, folder: Path) -> dict[str, Any]:
    """Make one run in a folder of its own, and give its row; of one that failed it says why.

    The trained network is not kept: the row has what makes it again.
    """
    row: dict[str, Any] = {
        "run": run.key,
        "task": bundle.name,
        "method": str(run.entrant),
        "arguments": json.dumps(run.method.arguments(), default=str),
        "settings": json.dumps({**run.entrant.options, **run.settings}, default=str),
        "options": json.dumps(dict(run.options), default=str),
        "stage": run.stage,
        "fraction": run.fraction,
        "trial": run.trial,
        "seed": run.seed,
        "fold": run.fold,
    }
    start, before = time.perf_counter(), sys.path[:]
    models = folder / "models"
    try:
        with logged(folder / "log.txt"):
            row |= _made(bundle, run, folder, models)
    except Exception as error:
        first = reason(error)
        row["error"] = f"{type(first).__name__}: {' '.join(str(first).split())}"
    finally:
        shutil.rmtree(models, ignore_errors=True)
        sys.path[:] = before  # each workflow puts the bundle there once more
        gc.collect()  # engines and their handlers refer to each other, and hold the network
    seconds = time.perf_counter() - start
    if "busy" in row:
        row["overhead_seconds"] = seconds - row.pop("busy")
    return {**row, "seconds": seconds, "finished": datetime.now(timezone.utc).isoformat(timespec="milliseconds")}


def _made(bundle: Bundle, run: Run, folder: Path, models: Path) -> dict[str, Any]:
    options = {**_options(bundle, run), "models_dir": str(models), "output_dir": str(folder)}
    training = bundle.workflow(options, saves=run.stage == "test")
    parser = training.parser
    network, trainer = parser.get_parsed_content("network"), parser.get_parsed_content("train#trainer")
    memory = PeakMemory(network, parser.get_parsed_content("optimizer"))
    if run.stage != "search":
        memory.attach(trainer)
    busy = Stopwatch(trainer)
    training.run()
    counts, cases = report(network), len(parser.get_parsed_content("train#dataset"))
    evaluator = parser.get_parsed_content("validate#evaluator")
    seconds = busy.seconds
    if run.stage == "test":
        evaluation = bundle.workflow(options, test=True)
        parser = evaluation.parser
        evaluator = parser.get_parsed_content("validate#evaluator")
        busy = Stopwatch(evaluator)
        evaluation.run()
        seconds += busy.seconds
    return {
        **_scores(evaluator, parser.get_parsed_content("validate#dataset").data, run, folder),
        "training_cases": cases,
        "memory_mb": memory.bytes / 1e6 or None,
        "method_parameters": counts.method,
        "trained_parameters": counts.trainable,
        **machine(parser.get_parsed_content("device")),
        "busy": seconds,
    }


def _options(bundle: Bundle, run: Run) -> dict[str, Any]:
    options = {**run.entrant.options, **run.settings, "method": target(run.method), "seed": run.seed}
    options["val_interval"] = "@epochs"  # once, at the end: the number of epochs is a setting like the others
    options |= bundle.whole if run.fold is None else {"fold": run.fold}
    if run.fraction < 1:
        options["label_fraction"] = run.fraction
    if run.stage == "search":
        options |= bundle.searching(run.fraction)
    return options


def _scores(evaluator: Any, cases: Sequence[Case], run: Run, folder: Path) -> dict[str, Any]:
    """The metrics, and the key metric's resamples beside the run."""
    numbers = {name: value for name, value in evaluator.state.metrics.items() if not isinstance(value, str)}
    metrics = {name: float(value) for name, value in numbers.items() if is_scalar(value)}
    key = evaluator.state.key_metric_name
    patients = patients_of([case.get("group") for case in cases])
    units = len(cases) if patients is None else len(set(patients))
    # folds are other cases: each is drawn from for itself
    values = resampled(evaluator, [len(cases)], run.fold or 0, patients) if units > 1 else {}
    row = {"scored_cases": len(cases), "metric": key, "value": metrics.pop(key), "metrics": json.dumps(metrics)}
    if key in values:
        ends = interval(values[key][1:], units)
        row |= {"low": ends.low, "high": ends.high} if ends else {}
        if run.stage != "search":
            np.save(folder / RESAMPLED, values[key][1:].numpy())
    return row


class Stopwatch:
    """The seconds that an engine runs."""

    def __init__(self, engine: Engine) -> None:
        self.seconds = self._start = 0.0
        engine.add_event_handler(Events.STARTED, self._started)
        engine.add_event_handler(Events.COMPLETED, self._completed)

    def _started(self, engine: Engine) -> None:
        self._start = time.perf_counter()

    def _completed(self, engine: Engine) -> None:
        self.seconds += time.perf_counter() - self._start
