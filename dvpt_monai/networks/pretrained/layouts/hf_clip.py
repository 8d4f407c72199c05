"""``CLIPVisionModel`` of Hugging Face's transformers, alone or inside ``CLIPModel``."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import CLIP, POSITIONS, Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="hf_clip",
    title="Hugging Face CLIPVisionModel and CLIPModel",
    marks=("embeddings.class_embedding", "pre_layrnorm.weight", "encoder.layers.0.self_attn.q_proj.weight"),
    names={
        "embeddings.class_embedding": "cls_token",
        "embeddings.position_embedding.weight": POSITIONS,
        "embeddings.patch_embedding.*": "patch_embedding.patch_embeddings.*",
        "pre_layrnorm.*": "norm_pre.*",  # so spelt there
        "encoder.layers.#.layer_norm1.*": "blocks.#.norm1.*",
        "encoder.layers.#.self_attn.q_proj.*": "blocks.#.attn.q.*",
        "encoder.layers.#.self_attn.k_proj.*": "blocks.#.attn.k.*",
        "encoder.layers.#.self_attn.v_proj.*": "blocks.#.attn.v.*",
        "encoder.layers.#.self_attn.out_proj.*": "blocks.#.attn.out_proj.*",
        "encoder.layers.#.layer_norm2.*": "blocks.#.norm2.*",
        "encoder.layers.#.mlp.fc1.*": "blocks.#.mlp.linear1.*",
        "encoder.layers.#.mlp.fc2.*": "blocks.#.mlp.linear2.*",
        "post_layernorm.*": "norm.*",
    },
    ignored=("embeddings.position_ids",),
    eps=1e-5,
    activation=None,  # OpenAI's networks have QuickGELU, LAION's GELU; config.json tells
    normalization=CLIP,
)
