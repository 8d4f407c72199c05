"""DINOv2 (Oquab et al., arXiv 2304.07193), without and with registers (Darcet et al., arXiv 2309.16588)."""

from __future__ import annotations

from dataclasses import replace

from dvpt_monai.networks.pretrained.layouts import timm

__all__ = ["LAYOUT"]

LAYOUT = replace(
    timm.LAYOUT,
    name="dinov2",
    title="DINOv2, without and with registers",
    marks=(
        "patch_embed.proj.weight",
        ("blocks.0.ls1.gamma", "blocks.0.0.ls1.gamma"),
        ("mask_token", "register_tokens"),
    ),
    # Its training code stores the blocks in chunks: blocks.<chunk>.<block>.
    names={
        **timm.LAYOUT.names,
        **{name.replace("#", "?.#"): target for name, target in timm.LAYOUT.names.items() if "#" in name},
    },
    refines="timm",
)
