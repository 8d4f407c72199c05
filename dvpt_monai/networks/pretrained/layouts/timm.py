"""timm's ``VisionTransformer``, whose names DeiT, MAE and DINO share."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="timm",
    title="timm's ViT, AugReg and DeiT; encoders of MAE, DINO and RETFound",
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
)
