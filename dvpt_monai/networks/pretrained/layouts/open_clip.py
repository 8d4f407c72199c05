"""The image tower of CLIP (Radford et al., arXiv 2103.00020) as OpenAI and OpenCLIP name it."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import CLIP, POSITIONS, Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="open_clip",
    title="OpenCLIP's image towers",
    marks=("class_embedding", "ln_pre.weight", "transformer.resblocks.0.attn.in_proj_weight"),
    names={
        "class_embedding": "cls_token",
        "positional_embedding": POSITIONS,
        "conv1.*": "patch_embedding.patch_embeddings.*",
        "ln_pre.*": "norm_pre.*",
        "transformer.resblocks.#.ln_1.*": "blocks.#.norm1.*",
        "transformer.resblocks.#.attn.in_proj_*": "blocks.#.attn.qkv.*",
        "transformer.resblocks.#.attn.out_proj.*": "blocks.#.attn.out_proj.*",
        "transformer.resblocks.#.ls_1.gamma": "blocks.#.scale1",
        "transformer.resblocks.#.ln_2.*": "blocks.#.norm2.*",
        "transformer.resblocks.#.mlp.c_fc.*": "blocks.#.mlp.linear1.*",
        "transformer.resblocks.#.mlp.c_proj.*": "blocks.#.mlp.linear2.*",
        "transformer.resblocks.#.ls_2.gamma": "blocks.#.scale2",
        "ln_post.*": "norm.*",
    },
    ignored=("proj",),
    eps=1e-5,
    activation=None,  # OpenAI's networks have QuickGELU, most of LAION's GELU; open_clip_config.json tells
    normalization=CLIP,
)
