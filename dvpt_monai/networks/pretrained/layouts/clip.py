"""Image towers of CLIP (arXiv 2103.00020), by three projects' names, and of SigLIP (arXiv 2303.15343), by timm's."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layout import POSITIONS, Layout
from dvpt_monai.networks.pretrained.layouts.timm import TIMM
from dvpt_monai.networks.pretrained.normalizations import CLIP, HALF

__all__ = ["LAYOUTS"]

OPEN_CLIP = Layout(
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

# Three numbers beside the towers tell OpenAI's own files from OpenCLIP's.
OPENAI_CLIP = replace(
    OPEN_CLIP,
    name="openai_clip",
    title="OpenAI's CLIP",
    place="visual.",
    beside=("input_resolution", "context_length", "vocab_size"),
    refines=("open_clip",),
    activation="quick_gelu",
)

# A timm ViT as the image tower, as in BiomedCLIP (Zhang et al., arXiv 2303.00915).
OPEN_CLIP_TRUNK = replace(
    TIMM,
    name="open_clip_trunk",
    title="BiomedCLIP and other timm ViTs inside OpenCLIP",
    place="visual.trunk.",
    refines=("timm",),
    normalization=CLIP,
)

# A norm before the blocks, and no bias in the patch embedding.
TIMM_CLIP = replace(
    TIMM,
    name="timm_clip",
    title="timm's CLIP image towers (vit_*_clip_*)",
    marks=(*TIMM.marks, "norm_pre.weight"),
    refines=("timm",),
    eps=1e-5,
    activation=None,
    gated=False,
    normalization=CLIP,
)

# No CLS: its authors pool by an attention, which the encoder has not; the mean of the patches takes its place.
TIMM_SIGLIP = replace(
    TIMM,
    name="timm_siglip",
    title="timm's SigLIP image towers (vit_*_siglip_*)",
    marks=(*TIMM.marks, "attn_pool.latent"),
    ignored=(*TIMM.ignored, "attn_pool.*"),
    refines=("timm",),
    activation=None,
    gated=False,
    normalization=HALF,
    slots=("none",),
)

LAYOUTS = (TIMM_CLIP, TIMM_SIGLIP, OPEN_CLIP, OPENAI_CLIP, OPEN_CLIP_TRUNK)
