"""The layouts that load, one file each; a further one is a file and its name in this list."""

from dvpt_monai.networks.pretrained.layouts import (
    dino,
    dinov2,
    hf_clip,
    hf_dinov2,
    hf_vit,
    mae,
    mocov3,
    monai,
    monai_clip,
    open_clip,
    open_clip_trunk,
    openai_clip,
    timm,
    timm_clip,
)

__all__ = ["LAYOUTS"]

LAYOUTS = tuple(
    module.LAYOUT
    for module in (
        timm,
        timm_clip,
        mae,
        dino,
        dinov2,
        mocov3,
        open_clip,
        openai_clip,
        open_clip_trunk,
        hf_vit,
        hf_dinov2,
        hf_clip,
        monai,
        monai_clip,
    )
)
