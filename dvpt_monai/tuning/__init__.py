"""Attach a method to a frozen network, train it, and ship it as a small file."""

from importlib import import_module

from dvpt_monai.tuning.adapter import load_adapter, read_header, save_adapter, swap_adapter
from dvpt_monai.tuning.budget import match_budget
from dvpt_monai.tuning.method import METHODS, Method, Stack
from dvpt_monai.tuning.trains import Report, report, trained_tensors
from dvpt_monai.tuning.tune import disabled, merge, tune, untune
from dvpt_monai.tuning.tuned import Tuned, TunedResidual, Tuner, attach

__all__ = [
    "METHODS",
    "Method",
    "Report",
    "Stack",
    "Tuned",
    "TunedResidual",
    "Tuner",
    "attach",
    "disabled",
    "load_adapter",
    "match_budget",
    "merge",
    "read_header",
    "report",
    "save_adapter",
    "swap_adapter",
    "trained_tensors",
    "tune",
    "untune",
]

# Whoever reads METHODS or the header of an adapter needs them all. At the end, because they import from here.
import_module("dvpt_monai.methods")
