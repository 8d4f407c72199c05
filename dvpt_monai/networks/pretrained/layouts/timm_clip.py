"""CLIP's image tower as timm names it: a norm before the blocks, and no bias in the patch embedding."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layout import CLIP
from dvpt_monai.networks.pretrained.layouts import timm

__all__ = ["LAYOUT"]

LAYOUT = replace(
    timm.LAYOUT,
    name="timm_clip",
    title="timm's CLIP image towers (vit_*_clip_*)",
    marks=(*timm.LAYOUT.marks, "norm_pre.weight"),
    refines="timm",
    eps=1e-5,
    activation=None,
    normalization=CLIP,
)
