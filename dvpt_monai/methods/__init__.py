"""Tuning methods: one paper, one file."""

from dvpt_monai.methods.dvpt import DVPT, attention_entropy
from dvpt_monai.methods.selective import BitFit, FullFineTuning, LinearProbe, NormTuning, PartialFineTuning

__all__ = [
    "DVPT",
    "BitFit",
    "FullFineTuning",
    "LinearProbe",
    "NormTuning",
    "PartialFineTuning",
    "attention_entropy",
]
