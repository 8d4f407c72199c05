"""timm's ``VisionTransformer``, and those that share its names: DeiT, MAE (arXiv 2111.06377), MoCo v3 (2104.02057)."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout

__all__ = ["LAYOUTS", "TIMM"]

TIMM = Layout(
    name="timm",
    title="timm's ViT, AugReg and DeiT, also with SwiGLU (UNI2, Virchow2); encoders of MAE, DINO and RETFound",
    marks=("patch_embed.proj.weight", "blocks.0.attn.qkv.weight"),
    names={
        "cls_token": "cls_token",
        "reg_token": "register_tokens",
        "register_tokens": "register_tokens",
        # A distilled DeiT puts its second class token where registers stand.
        "dist_token": "register_tokens",
        "pos_embed": POSITIONS,
        "patch_embed.proj.*": "patch_embedding.patch_embeddings.*",
        "norm_pre.*": "norm_pre.*",
        "blocks.#.norm1.*": "blocks.#.norm1.*",
        "blocks.#.attn.qkv.*": "blocks.#.attn.qkv.*",
        "blocks.#.attn.proj.*": "blocks.#.attn.out_proj.*",
        "blocks.#.ls1.gamma": "blocks.#.scale1",
        "blocks.#.norm2.*": "blocks.#.norm2.*",
        "blocks.#.mlp.fc1.*": "blocks.#.mlp.linear1.*",
        "blocks.#.mlp.fc2.*": "blocks.#.mlp.linear2.*",
        "blocks.#.ls2.gamma": "blocks.#.scale2",
        "norm.*": "norm.*",
        # MAE fine-tuned on the mean of the patches, and timm's networks that pool so.
        "fc_norm.*": "norm.*",
    },
    ignored=("mask_token", "masked_embed"),  # the second is iBOT's
    slots=("none", "cls", "all"),
    gated=True,
    # Of those that have such names, only networks with registers all do it one way: timm's and DINOv2's.
    antialiased=("reg_token", "register_tokens"),
)

MAE = replace(
    TIMM,
    name="mae",
    title="MAE and RETFound with their decoder",
    marks=(*TIMM.marks, "decoder_embed.weight"),
    ignored=(*TIMM.ignored, "decoder_*"),
    refines=("timm",),
)

MOCO_V3 = replace(
    TIMM,
    name="mocov3",
    title="MoCo v3 (the base encoder is taken)",
    place="base_encoder.",
    refines=("timm",),
    heads={384: 12},  # its ViT-S has heads 32 wide
)

LAYOUTS = (TIMM, MAE, MOCO_V3)
