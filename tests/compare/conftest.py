"""Rows and studies without any training."""

import json

import pytest

from dvpt_monai.compare import Entrant
from dvpt_monai.compare.runs import COLUMNS
from dvpt_monai.compare.study import Study
from dvpt_monai.methods import DVPT, LinearProbe

KNOWN = frozenset({"learning_rate", "head_learning_rate", "epochs"})


@pytest.fixture
def study():
    """`study(trials=4)` compares DVPT with a linear probe."""

    def make(**changes):
        return Study(**{"entrants": (Entrant(DVPT()), Entrant(LinearProbe())), "known": KNOWN, **changes})

    return make


@pytest.fixture
def row():
    """`row(run, 0.7)` is that of a run that ended so."""

    def make(run, value=0.5, error="", **cells):
        known = {
            "run": run.key,
            "task": "eyes",
            "method": str(run.entrant),
            "arguments": json.dumps(run.method.arguments()),
            "settings": json.dumps(run.settings),
            "options": "{}",
            "stage": run.stage,
            "fraction": str(run.fraction),
            "seed": str(run.seed),
            "fold": "" if run.fold is None else str(run.fold),
            "metric": "kappa",
            "value": "" if error else str(value),
            "scored_cases": "10",
            "training_cases": "40",
            "trained_parameters": "100",
            "method_parameters": "90",
            "memory_mb": "12.5",
            "seconds": "3",
            "finished": "2026-01-01T00:00:00.000+00:00",
            "error": error,
        }
        return {**dict.fromkeys(COLUMNS, ""), **known, **cells}

    return make
