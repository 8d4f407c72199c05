"""EVA-02 (Fang et al., arXiv 2303.11331), as timm names it: learned and rotary positions, SwiGLU, norms inside."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts.timm import TIMM
from dvpt_monai.networks.pretrained.normalizations import CLIP

__all__ = ["LAYOUTS"]

# Its base and large networks: what is packed in the smaller ones is so in EVA's first networks too, which do not turn.
EVA_02 = replace(
    TIMM,
    name="timm_eva02",
    title="timm's EVA-02 (eva02_base_*, eva02_large_*)",
    marks=("patch_embed.proj.weight", "pos_embed", "blocks.0.attn.q_proj.weight", "blocks.0.mlp.fc1_g.weight"),
    names={
        **TIMM.names,
        "blocks.#.attn.q_proj.*": "blocks.#.attn.q.*",
        "blocks.#.attn.k_proj.*": "blocks.#.attn.k.*",
        "blocks.#.attn.v_proj.*": "blocks.#.attn.v.*",
        "blocks.#.attn.norm.*": "blocks.#.attn.norm.*",
        "blocks.#.mlp.fc1_g.*": "blocks.#.mlp.gate.*",
        "blocks.#.mlp.fc1_x.*": "blocks.#.mlp.value.*",
        "blocks.#.mlp.norm.*": "blocks.#.mlp.norm.*",
        "blocks.#.gamma_1": "blocks.#.scale1",
        "blocks.#.gamma_2": "blocks.#.scale2",
    },
    ignored=(*TIMM.ignored, "rope.*"),
    refines=("timm",),
    normalization=CLIP,
    rotary={"base": 10000.0, "interleaved": True, "reference": [16, 16]},
    key_bias=False,
)

LAYOUTS = (EVA_02,)
