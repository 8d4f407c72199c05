"""Backbones of photographs that DINO trained, in its three generations."""

from __future__ import annotations

from typing import Any

from dvpt_monai.networks.pretrained.entries.photographs import VIT_B14, VIT_B16, VIT_S14, VIT_S16
from dvpt_monai.networks.pretrained.entry import Entry, Hub
from dvpt_monai.networks.pretrained.normalizations import IMAGENET

__all__ = ["SELF_DISTILLED"]

DINOV3 = "Siméoni et al., DINOv3, 2025, arXiv 2508.10104"
DINO = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, arXiv 2104.14294"
DINOV2 = "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2024, arXiv 2304.07193"
REGISTERS = "Darcet et al., Vision Transformers Need Registers, 2024, arXiv 2309.16588"

OF_DINOV3: dict[str, Any] = {
    "title": "DINOv3, 1.7 billion photographs",
    "image": 256,
    "megabytes": None,
    "licence": "DINOv3 License",
    "normalization": IMAGENET,
    "citation": DINOV3,
    "unverified": "the size of the images in its training: that of its examples",
}

SELF_DISTILLED = {
    "dino-vits16": Entry(
        title="DINO, ImageNet-1k",
        **VIT_S16,
        megabytes=87,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_small_patch16_224.dino"),
        citation=DINO,
    ),
    "dino-vitb16": Entry(
        title="DINO, ImageNet-1k",
        **VIT_B16,
        megabytes=343,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_base_patch16_224.dino"),
        citation=DINO,
    ),
    "dinov2-vits14": Entry(
        title="DINOv2, 142 M photographs",
        **VIT_S14,
        megabytes=88,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_small_patch14_dinov2.lvd142m", revision="4610ca143709d58a633b6397a74412c2c3842454"),
        citation=DINOV2,
    ),
    "dinov2-vitb14": Entry(
        title="DINOv2, 142 M photographs",
        **VIT_B14,
        megabytes=346,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_base_patch14_dinov2.lvd142m", revision="4685c99dabffe5affac90bd99dbffd25801ae58d"),
        citation=DINOV2,
    ),
    "dinov2-vits14-reg": Entry(
        title="DINOv2, 4 registers",
        **{**VIT_S14, "parameters": 22.1},
        megabytes=88,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_small_patch14_reg4_dinov2.lvd142m"),
        citation=REGISTERS,
    ),
    "dinov2-vitb14-reg": Entry(
        title="DINOv2, 4 registers",
        **VIT_B14,
        megabytes=346,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_base_patch14_reg4_dinov2.lvd142m"),
        citation=REGISTERS,
    ),
    "dinov2-vitl14": Entry(
        title="DINOv2, 142 M photographs",
        network="ViT-L/14",
        image=518,
        parameters=304.3,
        megabytes=None,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_large_patch14_dinov2.lvd142m", revision="47b73eefe95e8d44ec3623f8890bd894b6ea2d6c"),
        citation=DINOV2,
    ),
    "dinov2-vitg14": Entry(
        title="DINOv2, 142 M photos, SwiGLU",
        network="ViT-g/14",
        image=518,
        parameters=1136.4,
        megabytes=None,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_giant_patch14_dinov2.lvd142m"),
        citation=DINOV2,
    ),
    "dinov3-vits16": Entry(
        network="ViT-S/16",
        parameters=21.6,
        source=Hub(
            "facebook/dinov3-vits16-pretrain-lvd1689m", revision="114c1379950215c8b35dfcd4e90a5c251dde0d32", gated=True
        ),
        **OF_DINOV3,
    ),
    "dinov3-vits16plus": Entry(
        network="ViT-S+/16",
        parameters=28.7,
        source=Hub(
            "facebook/dinov3-vits16plus-pretrain-lvd1689m",
            revision="c93d816fc9e567563bc068f01475bec89cc634a6",
            gated=True,
        ),
        **OF_DINOV3,
    ),
    "dinov3-vitb16": Entry(
        network="ViT-B/16",
        parameters=85.7,
        source=Hub(
            "facebook/dinov3-vitb16-pretrain-lvd1689m", revision="5931719e67bbdb9737e363e781fb0c67687896bc", gated=True
        ),
        **OF_DINOV3,
    ),
    "dinov3-vitl16": Entry(
        network="ViT-L/16",
        parameters=303.1,
        source=Hub(
            "facebook/dinov3-vitl16-pretrain-lvd1689m", revision="ea8dc2863c51be0a264bab82070e3e8836b02d51", gated=True
        ),
        **OF_DINOV3,
    ),
    "dinov3-vith16plus": Entry(
        network="ViT-H+/16",
        parameters=840.6,
        source=Hub("facebook/dinov3-vith16plus-pretrain-lvd1689m", gated=True),
        **OF_DINOV3,
    ),
}
