"""A training checkpoint of DINO (Caron et al., arXiv 2104.14294): a backbone beside its head, teacher and student."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts import timm

__all__ = ["LAYOUT"]

LAYOUT = replace(
    timm.LAYOUT,
    name="dino",
    title="DINO's training checkpoints (the teacher is taken)",
    place="backbone.",
    beside=("head.mlp.0.weight",),
    refines="timm",
)
