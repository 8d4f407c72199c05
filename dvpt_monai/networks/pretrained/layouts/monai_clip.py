"""This package's own networks over a CLIP image tower: MONAI's names, and a norm before the blocks."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts import monai

__all__ = ["LAYOUT"]

LAYOUT = replace(
    monai.LAYOUT,
    name="monai_clip",
    title="this package's networks over a CLIP image tower",
    marks=(*monai.LAYOUT.marks, "norm_pre.weight"),
    refines="monai",
    activation=None,
)
