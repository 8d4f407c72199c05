"""Tuning methods: one paper, one file."""

from dvpt_monai.methods.adapter import Adapter
from dvpt_monai.methods.adaptformer import AdaptFormer
from dvpt_monai.methods.convpass import Convpass
from dvpt_monai.methods.cvpt import CVPT
from dvpt_monai.methods.dora import DoRA
from dvpt_monai.methods.dtl import DTL
from dvpt_monai.methods.dvpt import DVPT, attention_entropy
from dvpt_monai.methods.ept import EPT, collapse
from dvpt_monai.methods.evp import EVP
from dvpt_monai.methods.fpt_plus import FPTPlus
from dvpt_monai.methods.gated_vpt import GatedVPT
from dvpt_monai.methods.lora import LoRA
from dvpt_monai.methods.lst import LST
from dvpt_monai.methods.mlp_probe import MLPProbe
from dvpt_monai.methods.selective import BitFit, FullFineTuning, LinearProbe, NormTuning, PartialFineTuning
from dvpt_monai.methods.side_dvpt import SideDVPT
from dvpt_monai.methods.ssf import SSF
from dvpt_monai.methods.visual_prompt import VisualPrompt
from dvpt_monai.methods.vpt import VPT

__all__ = [
    "CVPT",
    "DTL",
    "DVPT",
    "EPT",
    "EVP",
    "LST",
    "SSF",
    "VPT",
    "AdaptFormer",
    "Adapter",
    "BitFit",
    "Convpass",
    "DoRA",
    "FPTPlus",
    "FullFineTuning",
    "GatedVPT",
    "LinearProbe",
    "LoRA",
    "MLPProbe",
    "NormTuning",
    "PartialFineTuning",
    "SideDVPT",
    "VisualPrompt",
    "attention_entropy",
    "collapse",
]
