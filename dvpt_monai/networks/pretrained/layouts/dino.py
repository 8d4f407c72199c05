"""DINO (arXiv 2104.14294), DINOv2 (arXiv 2304.07193), also with registers (arXiv 2309.16588)."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts.timm import TIMM

__all__ = ["LAYOUTS"]

DINO = replace(
    TIMM,
    name="dino",
    title="DINO's training checkpoints (the teacher is taken)",
    place="backbone.",
    beside=("head.mlp.0.weight",),
    refines=("timm",),
)

NAMES = {**TIMM.names, "blocks.#.mlp.w12.*": "blocks.#.mlp.linear1.*", "blocks.#.mlp.w3.*": "blocks.#.mlp.linear2.*"}

DINO_V2 = replace(
    TIMM,
    name="dinov2",
    title="DINOv2, without and with registers, also with SwiGLU (ViT-g)",
    marks=(
        "patch_embed.proj.weight",
        ("blocks.0.ls1.gamma", "blocks.0.0.ls1.gamma"),
        ("mask_token", "register_tokens"),
    ),
    # Its training code stores the blocks in chunks: blocks.<chunk>.<block>.
    names={**NAMES, **{name.replace("#", "?.#"): target for name, target in NAMES.items() if "#" in name}},
    refines=("timm",),
    position_resize="offset",
)

LAYOUTS = (DINO, DINO_V2)
