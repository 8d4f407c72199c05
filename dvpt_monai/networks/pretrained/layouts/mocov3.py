"""MoCo v3 (Chen et al., arXiv 2104.02057): the base encoder, not the momentum encoder beside it."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts import timm

__all__ = ["LAYOUT"]

LAYOUT = replace(
    timm.LAYOUT,
    name="mocov3",
    title="MoCo v3 (the base encoder is taken)",
    place="base_encoder.",
    refines="timm",
    heads={384: 12},  # its ViT-S has heads 32 wide
)
