"""Attach a method to a frozen network, train it, and ship it as a small file."""

from importlib import import_module

from dvpt_monai.tuning.adapter import load_adapter, save_adapter, swap_adapter
from dvpt_monai.tuning.budget import match_budget
from dvpt_monai.tuning.ensemble import Ensemble
from dvpt_monai.tuning.frozen import from_activations, frozen_activations, frozen_cut, map_frozen
from dvpt_monai.tuning.header import read_header
from dvpt_monai.tuning.method import METHODS, Method, Space, Stack
from dvpt_monai.tuning.narrow import cast_frozen
from dvpt_monai.tuning.trains import Report, is_tuned, report, trained_tensors
from dvpt_monai.tuning.tune import disabled, merge, rebase, tune, untune
from dvpt_monai.tuning.tuned import Tuned, TunedResidual, Tuner, attach
from dvpt_monai.tuning.unwrap_model import unwrap_model

__all__ = [
    "METHODS",
    "Ensemble",
    "Method",
    "Report",
    "Space",
    "Stack",
    "Tuned",
    "TunedResidual",
    "Tuner",
    "attach",
    "cast_frozen",
    "disabled",
    "from_activations",
    "frozen_activations",
    "frozen_cut",
    "is_tuned",
    "load_adapter",
    "map_frozen",
    "match_budget",
    "merge",
    "read_header",
    "rebase",
    "report",
    "save_adapter",
    "swap_adapter",
    "trained_tensors",
    "tune",
    "untune",
    "unwrap_model",
]

# Whoever reads METHODS or the header of an adapter needs them all. At the end, because they import from here.
import_module("dvpt_monai.methods")
