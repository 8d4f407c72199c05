"""Vision transformers of Hugging Face's transformers, by their names on disk and, from release 5 on, in memory."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout
from dvpt_monai.networks.pretrained.layouts.dinov3 import HEADS
from dvpt_monai.networks.pretrained.normalizations import CLIP, HALF

__all__ = ["LAYOUTS"]

VIT = Layout(
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

DINO_V2 = Layout(
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
        # SwiGLU on disk
        "encoder.layer.#.mlp.weights_in.*": "blocks.#.mlp.linear1.*",
        "encoder.layer.#.mlp.weights_out.*": "blocks.#.mlp.linear2.*",
        # and in memory
        "encoder.layer.#.mlp.gate_proj.*": "blocks.#.mlp.gate.*",
        "encoder.layer.#.mlp.up_proj.*": "blocks.#.mlp.value.*",
        "encoder.layer.#.mlp.down_proj.*": "blocks.#.mlp.linear2.*",
        "encoder.layer.#.layer_scale2.lambda1": "blocks.#.scale2",
        "layernorm.*": "norm.*",
    },
    ignored=("embeddings.mask_token",),
    gated=True,
    antialiased=("embeddings.register_tokens",),
)

DINO_V3_NAMES = {
    "layer.#.norm1.*": "blocks.#.norm1.*",
    "layer.#.attention.q_proj.*": "blocks.#.attn.q.*",
    "layer.#.attention.k_proj.*": "blocks.#.attn.k.*",
    "layer.#.attention.v_proj.*": "blocks.#.attn.v.*",
    "layer.#.attention.o_proj.*": "blocks.#.attn.out_proj.*",
    "layer.#.layer_scale1.lambda1": "blocks.#.scale1",
    "layer.#.norm2.*": "blocks.#.norm2.*",
    "layer.#.mlp.up_proj.*": "blocks.#.mlp.value.*",
    "layer.#.mlp.gate_proj.*": "blocks.#.mlp.gate.*",
    "layer.#.mlp.down_proj.*": "blocks.#.mlp.linear2.*",
    "layer.#.layer_scale2.lambda1": "blocks.#.scale2",
}

DINO_V3 = Layout(
    name="hf_dinov3",
    title="Hugging Face DINOv3ViTModel",
    marks=(
        "embeddings.patch_embeddings.weight",
        "embeddings.cls_token",
        "embeddings.register_tokens",  # an empty row where there are none
        ("layer.0.attention.q_proj.weight", "model.layer.0.attention.q_proj.weight"),
    ),
    names={
        "embeddings.cls_token": "cls_token",
        "embeddings.register_tokens": "register_tokens",
        "embeddings.patch_embeddings.*": "patch_embedding.patch_embeddings.*",
        **DINO_V3_NAMES,
        **{f"model.{name}": target for name, target in DINO_V3_NAMES.items()},
        "norm.*": "norm.*",
    },
    ignored=("embeddings.mask_token",),
    eps=1e-5,
    gated=True,
    rotary={},
    key_bias=False,
    heads=HEADS,
)

SIGLIP_NAMES = {
    "embeddings.position_embedding.weight": POSITIONS,
    "embeddings.patch_embedding.*": "patch_embedding.patch_embeddings.*",
    "encoder.layers.#.layer_norm1.*": "blocks.#.norm1.*",
    "encoder.layers.#.self_attn.q_proj.*": "blocks.#.attn.q.*",
    "encoder.layers.#.self_attn.k_proj.*": "blocks.#.attn.k.*",
    "encoder.layers.#.self_attn.v_proj.*": "blocks.#.attn.v.*",
    "encoder.layers.#.self_attn.out_proj.*": "blocks.#.attn.out_proj.*",
    "encoder.layers.#.layer_norm2.*": "blocks.#.norm2.*",
    "encoder.layers.#.mlp.fc1.*": "blocks.#.mlp.linear1.*",
    "encoder.layers.#.mlp.fc2.*": "blocks.#.mlp.linear2.*",
    "post_layernorm.*": "norm.*",
}
"""Those of CLIP's image towers, but for CLS and the norm before the blocks."""

# Its authors pool by an attention (head), which the encoder has not; the mean of the patches takes its place.
SIGLIP = Layout(
    name="hf_siglip",
    title="Hugging Face SiglipVisionModel and SiglipModel, MedSigLIP",
    marks=("embeddings.patch_embedding.weight", "post_layernorm.weight", "encoder.layers.0.self_attn.q_proj.weight"),
    names=SIGLIP_NAMES,
    ignored=("embeddings.position_ids", "head.*"),
    activation="gelu_tanh",
    normalization=HALF,
    slots=("none",),
)

CLIP_VISION = Layout(
    name="hf_clip",
    title="Hugging Face CLIPVisionModel and CLIPModel",
    marks=("embeddings.class_embedding", "pre_layrnorm.weight", "encoder.layers.0.self_attn.q_proj.weight"),
    names={
        "embeddings.class_embedding": "cls_token",
        "pre_layrnorm.*": "norm_pre.*",  # so spelt there
        **SIGLIP_NAMES,
    },
    ignored=("embeddings.position_ids",),
    refines=("hf_siglip",),
    eps=1e-5,
    activation=None,  # OpenAI's networks have QuickGELU, LAION's GELU; config.json tells
    normalization=CLIP,
)

LAYOUTS = (VIT, DINO_V2, DINO_V3, SIGLIP, CLIP_VISION)
