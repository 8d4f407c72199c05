"""Primus (Wald et al., arXiv 2503.01835), the transformer of nnU-Net: EVA-02's blocks on volumes, a decoder behind."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout

__all__ = ["LAYOUTS"]

PRIMUS = Layout(
    name="primus",
    title="Primus, nnU-Net's transformer, and what OpenMind pre-trained of it (network_weights)",
    marks=(
        "down_projection.proj.weight",
        "eva.pos_embed",
        "eva.blocks.0.attn.q_proj.weight",
        "eva.blocks.0.mlp.fc1_g.weight",
    ),
    names={
        "register_tokens": "register_tokens",
        "down_projection.proj.*": "patch_embedding.patch_embeddings.*",
        "eva.pos_embed": POSITIONS,
        "eva.blocks.#.norm1.*": "blocks.#.norm1.*",
        "eva.blocks.#.attn.q_proj.*": "blocks.#.attn.q.*",
        "eva.blocks.#.attn.k_proj.*": "blocks.#.attn.k.*",
        "eva.blocks.#.attn.v_proj.*": "blocks.#.attn.v.*",
        "eva.blocks.#.attn.norm.*": "blocks.#.attn.norm.*",
        "eva.blocks.#.attn.proj.*": "blocks.#.attn.out_proj.*",
        "eva.blocks.#.gamma_1": "blocks.#.scale1",
        "eva.blocks.#.norm2.*": "blocks.#.norm2.*",
        "eva.blocks.#.mlp.fc1_g.*": "blocks.#.mlp.gate.*",
        "eva.blocks.#.mlp.fc1_x.*": "blocks.#.mlp.value.*",
        "eva.blocks.#.mlp.norm.*": "blocks.#.mlp.norm.*",
        "eva.blocks.#.mlp.fc2.*": "blocks.#.mlp.linear2.*",
        "eva.blocks.#.gamma_2": "blocks.#.scale2",
        "eva.norm.*": "norm.*",
    },
    ignored=("mask_token", "eva.rope.*"),
    eps=1e-5,
    gated=True,
    rotary={"base": 10000.0, "interleaved": True, "reference": "own"},
    key_bias=False,
    normalization=None,
    slots=("all",),  # registers have positions, CLS there is none
    heads={396: 6, 792: 12, 864: 12, 1056: 16},
    head_width=None,
)

LAYOUTS = (PRIMUS,)
