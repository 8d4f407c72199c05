"""The workflows of a bundle: every property that tools ask for, and two processes at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

from monai.utils import BundleProperty, BundlePropertyConfig

from dvpt_monai.errors import reason
from dvpt_monai.ship.check.row import Failed, Skipped
from dvpt_monai.ship.check.trial import Trial

__all__ = ["properties", "two_processes"]

LIMIT = 900
"""Seconds for two processes to train or evaluate on a few batches."""


def properties(trial: Trial, *names: str) -> str:
    """``check_properties()`` of MONAI finds nothing missing; datasets, engines and handlers are really built."""
    absent = [name for name in names if not trial.config(name).is_file()]
    if absent:
        raise Skipped(f"no configs/{absent[0]}.json", "write one to evaluate with" if "evaluate" in absent else "")
    workflow = trial.workflow(*names)
    assert workflow.properties is not None
    ids = {
        name: asked[BundlePropertyConfig.ID]
        for name, asked in workflow.properties.items()
        if asked[BundleProperty.REQUIRED] and asked.get(BundlePropertyConfig.ID)
    }
    # MONAI stops at the first that is missing, with a KeyError.
    missing = [name for name, asked in ids.items() if asked not in workflow.parser and not asked.startswith("_meta_")]
    lacking = ", ".join(ids[name].replace("::", "#") for name in missing)
    if missing:
        raise Failed(f"missing: {', '.join(missing)}", f"add to configs/{names[-1]}.json: {lacking}")
    data = trial.data_of(*names)
    workflow = trial.workflow(*names, dataset_dir=data)
    try:
        workflow.initialize()
        wrong = workflow.check_properties()
    except Exception as error:  # a config can raise anything
        raise Failed(f"{type(error).__name__}: {reason(error)}", f"correct configs/{names[-1]}.json") from error
    if wrong:
        raise Failed(f"missing or of another id: {', '.join(wrong)}", f"correct configs/{names[-1]}.json")
    return f"{len(workflow.properties)} properties"


def two_processes(trial: Trial, *names: str) -> str:
    """A few batches in two processes, on the CPU, with gloo."""
    if not trial.config(names[-1]).is_file():
        raise Skipped(f"no configs/{names[-1]}.json", "")
    settings = {
        key: value for key, value in trial.settings(*names).items() if key != "device"
    }  # each process has one of its own
    settings |= {"dataset_dir": trial.data_of(*names), "validate#evaluator#epoch_length": 1}
    if "evaluate" not in names[-1]:
        settings |= {"train#trainer#max_epochs": 1, "train#trainer#epoch_length": 1}
    files = "[" + ",".join(repr(str(trial.config(name))) for name in names) + "]"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "monai.bundle", "run", "--config_file", files]
    command += [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    code, output = _run(command, trial)
    if code:
        remedy = "backend and device must follow the machine: gloo and the CPU where there is no GPU"
        raise Failed(output, remedy)
    return "gloo, 2 processes"


def _run(command: list[str], trial: Trial) -> tuple[int, str]:
    """The exit code of a command without GPUs, and the reason that it gave."""
    paths = os.pathsep.join([str(trial.root), *(path for path in sys.path if path)])
    alone = {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": paths,
        "PYTHONFAULTHANDLER": "1",  # so that a crash says "Fatal Python error: ..."
    }
    process = subprocess.Popen(
        command,
        cwd=trial.root,
        env={**os.environ, **alone},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that a hanging pair can be ended together
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 1, f"not finished after {LIMIT} s"
    lines = [re.sub(r"^\[rank\d+\]: ", "", line).strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.split(": ")[0].lower().endswith("error")]
    # A process that the system ended says nothing; the one that started it tells the exit codes, the first death last.
    errors += [line for line in lines if line.startswith("exitcode")][-1:]
    return process.returncode, (errors or lines or ["no output"])[0 if errors else -1][:300]
