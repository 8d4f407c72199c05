"""``Dinov2Model`` and ``Dinov2WithRegistersModel`` of Hugging Face's transformers."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout

__all__ = ["LAYOUT"]

LAYOUT = Layout(
    name="hf_dinov2",
    title="Hugging Face Dinov2Model and Dinov2WithRegistersModel",
    marks=("embeddings.patch_embeddings.projection.weight", "encoder.layer.0.layer_scale1.lambda1"),
    names={
        "embeddings.cls_token": "cls_token",
        "embeddings.register_tokens": "register_tokens",
        "embeddings.position_embeddings": POSITIONS,
        "embeddings.patch_embeddings.projection.*": "patch_embedding.patch_embeddings.*",
        "encoder.layer.#.norm1.*": "blocks.#.norm1.*",
        # on disk
        "encoder.layer.#.attention.attention.query.*": "blocks.#.attn.q.*",
        "encoder.layer.#.attention.attention.key.*": "blocks.#.attn.k.*",
        "encoder.layer.#.attention.attention.value.*": "blocks.#.attn.v.*",
        "encoder.layer.#.attention.output.dense.*": "blocks.#.attn.out_proj.*",
        # in the memory of transformers 5
        "encoder.layer.#.attention.q_proj.*": "blocks.#.attn.q.*",
        "encoder.layer.#.attention.k_proj.*": "blocks.#.attn.k.*",
        "encoder.layer.#.attention.v_proj.*": "blocks.#.attn.v.*",
        "encoder.layer.#.attention.o_proj.*": "blocks.#.attn.out_proj.*",
        "encoder.layer.#.layer_scale1.lambda1": "blocks.#.scale1",
        "encoder.layer.#.norm2.*": "blocks.#.norm2.*",
        "encoder.layer.#.mlp.fc1.*": "blocks.#.mlp.linear1.*",
        "encoder.layer.#.mlp.fc2.*": "blocks.#.mlp.linear2.*",
        "encoder.layer.#.layer_scale2.lambda1": "blocks.#.scale2",
        "layernorm.*": "norm.*",
    },
    ignored=("embeddings.mask_token",),
)
