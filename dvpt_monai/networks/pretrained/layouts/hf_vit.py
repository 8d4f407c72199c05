"""``ViTModel`` of Hugging Face's transformers, which ViTMAE, DINO and DeiT share, by its old and its new names."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import HALF, POSITIONS, Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="hf_vit",
    title="Hugging Face ViTModel, ViTMAEModel and DeiTModel",
    marks=(
        "embeddings.patch_embeddings.projection.weight",
        ("encoder.layer.0.layernorm_before.weight", "layers.0.layernorm_before.weight"),
    ),
    names={
        "embeddings.cls_token": "cls_token",
        "embeddings.distillation_token": "register_tokens",
        "embeddings.position_embeddings": POSITIONS,
        "embeddings.patch_embeddings.projection.*": "patch_embedding.patch_embeddings.*",
        # on disk
        "encoder.layer.#.layernorm_before.*": "blocks.#.norm1.*",
        "encoder.layer.#.attention.attention.query.*": "blocks.#.attn.q.*",
        "encoder.layer.#.attention.attention.key.*": "blocks.#.attn.k.*",
        "encoder.layer.#.attention.attention.value.*": "blocks.#.attn.v.*",
        "encoder.layer.#.attention.output.dense.*": "blocks.#.attn.out_proj.*",
        "encoder.layer.#.layernorm_after.*": "blocks.#.norm2.*",
        "encoder.layer.#.intermediate.dense.*": "blocks.#.mlp.linear1.*",
        "encoder.layer.#.output.dense.*": "blocks.#.mlp.linear2.*",
        # in the memory of transformers 5
        "layers.#.layernorm_before.*": "blocks.#.norm1.*",
        "layers.#.attention.q_proj.*": "blocks.#.attn.q.*",
        "layers.#.attention.k_proj.*": "blocks.#.attn.k.*",
        "layers.#.attention.v_proj.*": "blocks.#.attn.v.*",
        "layers.#.attention.o_proj.*": "blocks.#.attn.out_proj.*",
        "layers.#.layernorm_after.*": "blocks.#.norm2.*",
        "layers.#.mlp.fc1.*": "blocks.#.mlp.linear1.*",
        "layers.#.mlp.fc2.*": "blocks.#.mlp.linear2.*",
        "layernorm.*": "norm.*",
    },
    ignored=("embeddings.mask_token",),
    eps=1e-12,
    normalization=HALF,
)
