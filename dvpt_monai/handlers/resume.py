"""A training that goes on, to the bit, where it was killed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from torch import nn

from dvpt_monai.checkpoints import DIGITS, latest_state, new_run, read_state, run_of, save_state, serialized, states
from dvpt_monai.errors import CheckpointError
from dvpt_monai.handlers.preemption import Preemption
from dvpt_monai.handlers.processes import alone, first_process, gather, highest
from dvpt_monai.handlers.random_states import random_states, set_random_states
from dvpt_monai.handlers.trained import trained
from dvpt_monai.tuning.fingerprint import check_backbone, fingerprint
from dvpt_monai.tuning.method import Method
from dvpt_monai.tuning.trains import recorded

__all__ = ["Resume"]

logger = logging.getLogger(__name__)
SHARE = 50
"""Saving may take one part in so many of the time."""
FORMAT = 2


class Resume:
    """Keep the state of a training, and go on from it: same losses, same weights as if nothing had happened.

    A state holds what trains, optimizer, schedule, scaler, random number generators, the best value so far, and the
    place in the epoch. It is written as the time allows, within a step at SIGTERM and SIGUSR1 (the process then ends
    with 143) and at Ctrl-C, and at the end. A validation that a signal cuts short is done again. Several processes
    leave together; another number of them can go on, with as many cases to a step in all. The loader must be a
    :class:`~dvpt_monai.data.ReplayLoader`.

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
        self.run = new_run(folder)
        self.saved = time.monotonic()
        self.cost = 0.0
        self.preemption = Preemption()
        self.unvalidated: tuple[int, bytes] | None = None
        self.cut_short = False

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, behind all other handlers."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)
        engine.add_event_handler(Events.COMPLETED, self._end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._raised)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._validating)

    # --- what happens in a run

    def _start(self, engine: Engine) -> None:
        self.preemption.begin()
        state = self._state_to_resume()
        if state is not None:
            self._load(engine, state)
        self.saved = time.monotonic()

    def _begin_epoch(self, engine: Engine) -> None:
        self.unvalidated = None
        length: Any = engine.state.epoch_length
        self._loader(engine).start(engine.state.epoch - 1, engine.state.iteration % length)

    def _step(self, engine: Engine) -> None:
        signal, due = self._agreed()
        validates = self.evaluator is not None and engine.state.iteration % (engine.state.epoch_length or 1) == 0
        if signal or due or validates:
            begun = time.monotonic()
            content = self._content(engine, validated=False)
            self.unvalidated = (engine.state.iteration, content) if validates else None
            if signal or due:
                self._write(engine, content, begun)
        if signal:
            self.preemption.leave(signal, self.folder)

    def _end_epoch(self, engine: Engine) -> None:
        if self.cut_short:
            self.preemption.leave(self.preemption.number, self.folder)
        signal, due = self._agreed()
        if signal or due or engine.state.epoch == engine.state.max_epochs:
            begun = time.monotonic()
            self._write(engine, self._content(engine, validated=True), begun)
        if signal:
            self.preemption.leave(signal, self.folder)

    def _validating(self, evaluator: Engine) -> None:
        if self.preemption.number and self.unvalidated:
            self._write_unvalidated()
            if alone():  # others would wait for this process
                self.cut_short = True
                evaluator.terminate(skip_completed=True)

    def _end(self, engine: Engine) -> None:
        self.preemption.end()

    def _raised(self, engine: Engine, error: BaseException) -> None:
        number = self.preemption.number
        self.preemption.end()
        # the signal may have ended a worker of the validation, and that the validation
        if number and self.unvalidated and isinstance(error, Exception):
            self._write_unvalidated()
            self.preemption.leave(number, self.folder)
        raise error

    def _agreed(self) -> tuple[int, int]:
        """The signal that came, and whether it is time to save; the same in all processes."""
        waited = time.monotonic() - self.saved
        due = self.seconds == 0 or waited >= max(self.seconds, SHARE * self.cost)
        device = next(self.network.parameters()).device
        signal, save = highest([self.preemption.number, int(due and first_process())], device)
        return signal, save

    # --- states

    def _content(self, engine: Engine, validated: bool) -> bytes:
        generators = [states for part in gather([random_states()]) for states in part]
        return serialized(self._state(engine, validated, generators)) if first_process() else b"of the first process"

    def _write(self, engine: Engine, content: bytes, begun: float) -> None:
        if first_process():
            save_state(self.folder, self.run, engine.state.iteration, content)
        self.saved = time.monotonic()
        self.cost = self.saved - begun

    def _write_unvalidated(self) -> None:
        if first_process() and self.unvalidated is not None:
            save_state(self.folder, self.run, *self.unvalidated)
        self.unvalidated = None

    @cached_property
    def _backbone(self) -> dict[str, Any]:
        """The fingerprint of what stays frozen, so that one is enough."""
        return fingerprint(self.network) if recorded(self.network) else {}

    def _state(self, engine: Engine, validated: bool, generators: list[Any]) -> dict[str, Any]:
        scaler = getattr(engine, "scaler", None)
        evaluator = None if self.evaluator is None else self.evaluator.state
        return {
            "format": FORMAT,
            "settings": self.settings,
            "backbone": self._backbone,
            "epochs": engine.state.max_epochs,
            "epoch": engine.state.epoch,
            "epoch_length": engine.state.epoch_length,
            "iteration": engine.state.iteration,
            "validated": validated,
            "network": {name: value.detach().cpu() for name, value in trained(self.network).items()},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "scaler": None if scaler is None else scaler.state_dict(),
            "best": None if evaluator is None else [float(evaluator.best_metric), int(evaluator.best_metric_epoch)],  # type: ignore[attr-defined]
            "random": generators,
        }

    def _state_to_resume(self) -> dict[str, Any] | None:
        if self.resume == "never":
            if states(self.folder):
                logger.warning(
                    "%s holds the state of an earlier training; --resume auto goes on where that was ended", self.folder
                )
            return None
        if self.resume != "auto":
            return read_state(self.resume)  # as a run of its own, which comes behind all that lie in the folder
        found = latest_state(self.folder)
        if found is None:
            logger.info("%s holds no state to go on from; the training begins", self.folder)
            return None
        self.run = run_of(found[0])
        return found[1]

    def _load(self, engine: Engine, state: dict[str, Any]) -> None:
        self._check(engine, state)
        with torch.no_grad():
            for name, value in trained(self.network).items():
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
        step = state["iteration"] % state["epoch_length"]
        if step or state["validated"]:
            place = f"at epoch {state['epoch']} of {state['epochs']}, step {step} of {state['epoch_length']}"
        else:
            place = f"with the validation of epoch {state['epoch']} of {state['epochs']}"
        logger.info("Going on %s", place)
        set_random_states(state["random"][idist.get_rank() % len(state["random"])])
        if not step and not state["validated"]:
            self.unvalidated = state["iteration"], serialized(state)
            engine.fire_event(Events.EPOCH_COMPLETED)

    def _check(self, engine: Engine, state: dict[str, Any]) -> None:
        if state.get("format") != FORMAT:
            raise CheckpointError(
                f"{self.folder}: its states have format {state.get('format')}, this version reads {FORMAT}; go on with "
                "the version that wrote them, or train anew with --resume never"
            )
        check_backbone(self.network, state["backbone"], self.folder)
        now = {**self.settings, "epochs": engine.state.max_epochs, "epoch_length": engine.state.epoch_length}
        then = {**state["settings"], "epochs": state["epochs"], "epoch_length": state["epoch_length"]}
        for each in (then, now):
            if each.get("method"):
                each["method"] = Method.completed(each["method"])
        differ = [name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]
        if "cases" in differ:
            differ = [name for name in differ if name != "list of cases"]  # a hash, which then tells no more
        if differ:
            named = (f"{name} {_word(then.get(name))}, this one {_word(now.get(name))}" for name in differ)
            raise CheckpointError(
                f"{self.folder}: the training there has {'; '.join(named)}; give it as it was to go on, or train anew "
                "with --resume never"
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


def _word(value: Any) -> str:
    return "none" if value is None else repr(value)


def identity(network: nn.Module, cases: Sequence[Any]) -> dict[str, Any]:
    """What a training must have alike to be the same: its method and the number and names of its cases."""
    tuning = recorded(network)
    listed = json.dumps([case.get("name", case.get("image")) for case in cases], default=str)
    return {
        "method": None if tuning is None else tuning.method.arguments(),
        "cases": len(cases),
        "list of cases": hashlib.sha256(listed.encode()).hexdigest()[:DIGITS],
    }
