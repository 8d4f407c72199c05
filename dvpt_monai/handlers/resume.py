"""A training that goes on, to the bit, where it was killed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

from dvpt_monai.checkpoints import DIGITS, latest_state, save_state, states
from dvpt_monai.errors import CheckpointError
from dvpt_monai.handlers.processes import first_process
from dvpt_monai.tuning.fingerprint import check_backbone, fingerprint
from dvpt_monai.tuning.trains import recorded, trained_tensors

__all__ = ["Resume"]

logger = logging.getLogger(__name__)
SHARE = 50
"""Saving may take one part in so many of the time."""
PREEMPTED = (signal.SIGTERM, signal.SIGUSR1)
FORMAT = 1


class Resume:
    """Keep the state of a training, and go on from it: same losses, same weights as if nothing had happened.

    A state holds what trains, optimizer, schedule, scaler, random number generators, the best value so far, and the
    place in the epoch. It is written as the time allows, at SIGTERM and SIGUSR1 within a step (the process then ends
    with 143), and at the end. The loader must be a :class:`~dvpt_monai.data.ReplayLoader`.

    Attach it last: what other handlers do at the end of a step belongs to the state.

    Args:
        folder: of the states.
        network: what trains; tuned or not.
        optimizer: of it.
        lr_scheduler: of the optimizer.
        evaluator: whose best value chooses the network.
        handlers: of which those with a ``state_dict`` are kept, such as what knows the best value so far.
        cases: that train; the same must train when it goes on.
        settings: further JSON-ready values, by name, that must be the same then; method and backbone always must.
        resume: ``"auto"`` goes on with the last state in the folder, if there is one; ``"never"`` begins anew; or the
            path of a state.
        seconds: between two states at least; more where writing one takes long. 0 writes one at every step.

    Raises:
        CheckpointError: when the run starts: no or a damaged state, or one of another training; names the setting.
        BackboneMismatchError: likewise, of another backbone.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: Any = None,
        evaluator: Engine | None = None,
        handlers: Sequence[Any] = (),
        cases: Sequence[Any] = (),
        settings: Mapping[str, Any] | None = None,
        resume: str = "never",
        seconds: float = 60.0,
    ) -> None:
        self.folder = Path(folder)
        self.network = network
        self.evaluator = evaluator
        self.settings: dict[str, Any] = json.loads(json.dumps({**(settings or {}), **identity(network, cases)}))
        self.resume = resume
        self.seconds = seconds
        named = {"optimizer": optimizer, "lr_scheduler": lr_scheduler}
        named |= {type(handler).__name__: handler for handler in handlers}
        self.parts = {name: part for name, part in named.items() if hasattr(part, "load_state_dict")}
        self.run = int(time.time())
        self.saved = time.monotonic()
        self.cost = 0.0
        self.preempted = 0
        self.signals: dict[int, Any] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, behind all other handlers."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)
        engine.add_event_handler(Events.COMPLETED, self._restore_signals)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._validating)

    # --- what happens in a run

    def _start(self, engine: Engine) -> None:
        self._take_signals()
        state = self._state_to_resume()
        if state is not None:
            self._load(engine, state)
        self.saved = time.monotonic()

    def _begin_epoch(self, engine: Engine) -> None:
        length: Any = engine.state.epoch_length
        self._loader(engine).start(engine.state.epoch - 1, engine.state.iteration % length)

    def _step(self, engine: Engine) -> None:
        if self.preempted or self._due():
            self._save(engine, validated=False)
        self._leave_if_preempted()

    def _end_epoch(self, engine: Engine) -> None:
        done = engine.state.epoch == engine.state.max_epochs
        if done or self.preempted or self._due():
            self._save(engine, validated=True)
        self._leave_if_preempted()

    def _due(self) -> bool:
        waited = time.monotonic() - self.saved
        return self.seconds == 0 or waited >= max(self.seconds, SHARE * self.cost)

    def _validating(self, evaluator: Engine) -> None:
        # the state from before the validation stands, or the epoch is done again
        self._leave_if_preempted()

    def _leave_if_preempted(self) -> None:
        if self.preempted:
            number = self.preempted
            self._restore_signals()
            logger.warning(
                "%s: the state is saved in %s; --resume auto goes on", signal.Signals(number).name, self.folder
            )
            raise SystemExit(143)

    # --- signals

    def _take_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.signals = {number: signal.signal(number, self._preempt) for number in PREEMPTED}

    def _restore_signals(self, engine: Engine | None = None) -> None:
        for number, handler in self.signals.items():
            signal.signal(number, handler)
        self.signals = {}

    def _preempt(self, number: int, frame: FrameType | None) -> None:
        self.preempted = number

    # --- states

    def _save(self, engine: Engine, validated: bool) -> None:
        begun = time.monotonic()
        if first_process():
            save_state(self.folder, self.run, engine.state.iteration, self._state(engine, validated))
        self.saved = time.monotonic()
        self.cost = self.saved - begun

    def _state(self, engine: Engine, validated: bool) -> dict[str, Any]:
        scaler = getattr(engine, "scaler", None)
        evaluator = None if self.evaluator is None else self.evaluator.state
        return {
            "format": FORMAT,
            "settings": self.settings,
            "backbone": fingerprint(self.network) if recorded(self.network) else {},
            "epochs": engine.state.max_epochs,
            "epoch": engine.state.epoch,
            "epoch_length": engine.state.epoch_length,
            "iteration": engine.state.iteration,
            "validated": validated,
            "network": {name: value.detach().cpu() for name, value in self._trained().items()},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "scaler": None if scaler is None else scaler.state_dict(),
            "best": None if evaluator is None else [float(evaluator.best_metric), int(evaluator.best_metric_epoch)],  # type: ignore[attr-defined]
            "random": random_states(),
        }

    def _trained(self) -> dict[str, torch.Tensor]:
        network = self.network
        return trained_tensors(network) if recorded(network) else dict(network.state_dict(keep_vars=True))

    def _state_to_resume(self) -> dict[str, Any] | None:
        if self.resume == "never":
            if states(self.folder):
                logger.warning("%s holds the state of a training that ended early; --resume auto goes on", self.folder)
            return None
        if self.resume == "auto":
            found = latest_state(self.folder)
            if found is None:
                logger.info("%s holds no state to go on from; the training begins", self.folder)
                return None
        else:
            if not Path(self.resume).is_file():
                raise CheckpointError(f"--resume {self.resume}: no such file; give auto, never, or the path of a state")
            found = Path(self.resume), torch.load(self.resume, map_location="cpu", weights_only=True)
        self.run = int(found[0].stem.split("_")[1])
        return found[1]

    def _load(self, engine: Engine, state: dict[str, Any]) -> None:
        self._check(engine, state)
        with torch.no_grad():
            for name, value in self._trained().items():
                value.copy_(state["network"][name])
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        scaler = getattr(engine, "scaler", None)
        if scaler is not None and state["scaler"] is not None:
            scaler.load_state_dict(state["scaler"])
        if self.evaluator is not None and state["best"] is not None:
            best: Any = self.evaluator.state
            best.best_metric, best.best_metric_epoch = state["best"]
        engine.state.iteration = state["iteration"]
        engine.state.epoch = state["iteration"] // state["epoch_length"]
        logger.info(
            "Going on at epoch %d of %d, step %d of %d",
            *(state["epoch"], state["epochs"], state["iteration"] % state["epoch_length"], state["epoch_length"]),
        )
        set_random_states(state["random"])
        if state["iteration"] % state["epoch_length"] == 0 and not state["validated"]:
            engine.fire_event(Events.EPOCH_COMPLETED)

    def _check(self, engine: Engine, state: dict[str, Any]) -> None:
        check_backbone(self.network, state["backbone"], self.folder)
        now = {**self.settings, "epochs": engine.state.max_epochs, "epoch_length": engine.state.epoch_length}
        then = {**state["settings"], "epochs": state["epochs"], "epoch_length": state["epoch_length"]}
        for name in sorted(then.keys() | now.keys()):
            if then.get(name) != now.get(name):
                raise CheckpointError(
                    f"{self.folder}: the training there has {name} {then.get(name)!r}, this one {now.get(name)!r}; "
                    "give it as it was to go on, or train anew with --resume never"
                )

    @staticmethod
    def _loader(engine: Engine) -> Any:
        loader: Any = engine.state.dataloader
        if not hasattr(loader, "start"):
            raise CheckpointError(
                f"Resume: the training's loader is a {type(loader).__name__}, whose batches cannot be had again; "
                "make it a dvpt_monai.data.ReplayLoader"
            )
        return loader


def identity(network: nn.Module, cases: Sequence[Any]) -> dict[str, Any]:
    """What a training must have alike to be the same: its method and the number and names of its cases."""
    tuning = recorded(network)
    listed = json.dumps([case.get("name", case.get("image")) for case in cases], default=str)
    return {
        "method": None if tuning is None else tuning.method.arguments(),
        "cases": len(cases),
        "list of cases": hashlib.sha256(listed.encode()).hexdigest()[:DIGITS],
    }


def random_states() -> dict[str, Any]:
    """The states of the generators of torch, numpy and Python, as tensors and numbers."""
    name, keys, place, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, numbers, following = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys, np.int64)), int(place), int(has_gauss), float(gauss)],
        "python": [version, list(numbers), following],
    }


def set_random_states(state: Mapping[str, Any]) -> None:
    """Put the generators where :func:`random_states` found them."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
