"""OpenAI's own CLIP files: three numbers beside the towers tell them from OpenCLIP's."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts import open_clip

__all__ = ["LAYOUT"]

LAYOUT = replace(
    open_clip.LAYOUT,
    name="openai_clip",
    title="OpenAI's CLIP",
    place="visual.",
    beside=("input_resolution", "context_length", "vocab_size"),
    refines="open_clip",
    activation="quick_gelu",
)
