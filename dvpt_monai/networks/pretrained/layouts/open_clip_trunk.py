"""A timm ViT as the image tower of OpenCLIP, as in BiomedCLIP (Zhang et al., arXiv 2303.00915)."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layout import CLIP
from dvpt_monai.networks.pretrained.layouts import timm

__all__ = ["LAYOUT"]

LAYOUT = replace(
    timm.LAYOUT,
    name="open_clip_trunk",
    title="BiomedCLIP and other timm ViTs inside OpenCLIP",
    place="visual.trunk.",
    refines="timm",
    normalization=CLIP,
)
