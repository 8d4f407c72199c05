"""The original MAE with its decoder (He et al., arXiv 2111.06377), and RETFound, which was trained with its code."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts import timm

__all__ = ["LAYOUT"]

LAYOUT = replace(
    timm.LAYOUT,
    name="mae",
    title="MAE and RETFound with their decoder",
    marks=(*timm.LAYOUT.marks, "decoder_embed.weight"),
    ignored=(*timm.LAYOUT.ignored, "decoder_*"),
    refines="timm",
)
