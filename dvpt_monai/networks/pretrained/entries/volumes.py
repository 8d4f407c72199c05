"""Backbones of volumes of CT and MRI."""

from __future__ import annotations

from dvpt_monai.networks.pretrained.entry import Elsewhere, Entry, Hub

__all__ = ["VOLUMES"]

FLEXICT = "Li et al., Universal CT Representations (FlexiCT), 2026, arXiv 2605.21906"
HOUNSFIELD = "-1000 to 1000 Hounsfield units, then mean 0 and standard deviation 1 of each volume"
ZYX = "its volumes are arrays of z, y, x: give it x, y, z, and it sees them turned"

VOLUMES = {
    "3dino-vitl16": Entry(
        title="DINOv2 in 3D, CT and MRI",
        network="ViT-L/16",
        image=112,
        parameters=306.9,
        megabytes=None,
        licence="CC-BY-NC-ND-4.0",
        normalization=None,
        source=Hub(
            "AICONSlab/3DINO-ViT", "3dino_vit_weights.pth", "8a00a2bb14becb3fbe955064837322a3217f7ac0", gated=True
        ),
        citation="Xu et al., A generalizable 3D framework (3DINO), 2025, npj Digital Medicine, arXiv 2501.11755",
        modalities=("volume",),
        channels=1,
        dims=3,
        intensities="percentiles 0.05 and 99.95 of each volume to -1 and 1",
    ),
    "primus-m-openmind": Entry(
        title="MAE in 3D, MRI of the head",
        network="Primus-M/8",
        image=160,
        parameters=151.0,
        megabytes=None,
        licence="CC-BY-4.0",
        normalization=None,
        source=Hub("AnonRes/PrimusM-OpenMind-MAE", "checkpoint_final.pth"),
        citation="Wald et al., Primus, 2025, arXiv 2503.01835; Wald et al., OpenMind, 2024, arXiv 2412.17041",
        modalities=("volume",),
        channels=1,
        dims=3,
        intensities="mean 0 and standard deviation 1 of each volume, at 1 mm",
        advice=f"its authors advise against frozen features: tune it; {ZYX}",
        unverified="intensities and spacing, from memory of nnU-Net's pre-training",
    ),
    "flexict-3d": Entry(
        title="DINOv3 of slices, then volumes",
        network="FlexiCT-B/8",
        image=160,
        parameters=143.9,
        megabytes=None,
        licence="CC-BY-NC-ND-4.0",
        normalization=None,
        source=Hub("ricklisz123/FlexiCT", "ct_3d_teacher.pth"),
        citation=FLEXICT,
        modalities=("volume", "ct"),
        channels=1,
        dims=3,
        intensities=f"{HOUNSFIELD}, at 2 mm",
        advice=ZYX,
        unverified="whether the Hub asks for consent; there is a page of its authors, too",
    ),
    "flexict-2d": Entry(
        title="DINOv3, slices of CT",
        network="FlexiCT-B/8",
        image=256,
        parameters=143.5,
        megabytes=None,
        licence="CC-BY-NC-ND-4.0",
        normalization=None,
        source=Hub("ricklisz123/FlexiCT", "ct_2d_teacher.pth"),
        citation=FLEXICT,
        modalities=("ct",),
        channels=1,
        intensities=HOUNSFIELD,
        unverified="whether the Hub asks for consent; there is a page of its authors, too",
    ),
    "m3d-clip": Entry(
        title="CLIP, volumes and reports of CT",
        network="ViT-B/4x16x16",
        image=(32, 256, 256),
        parameters=87.4,
        megabytes=None,
        licence="Apache-2.0",
        normalization=None,
        source=Hub("GoodBaiBai88/M3D-CLIP", "pytorch_model.bin", "ae091d89a0ef38b533ecc4ed21426f7658853963"),
        citation="Bai et al., M3D, 2024, arXiv 2404.00578",
        modalities=("volume", "ct"),
        channels=1,
        dims=3,
        intensities="the least and the greatest value of each volume to 0 and 1",
        advice=f"for the classifier, since UNETR wants cubes; {ZYX}",
        unverified="licence, file and intensities, from memory",
    ),
    "brainiac-vitb16": Entry(
        title="SimCLR, volumes of brain MRI",
        network="ViT-B/16",
        image=96,
        parameters=88.4,
        megabytes=None,
        licence="non-commercial",
        normalization=None,
        source=Elsewhere("https://github.com/AIM-KannLab/BrainIAC"),
        citation="Tak et al., A foundation model for generalized brain MRI analysis (BrainIAC), 2024, medRxiv",
        modalities=("volume",),
        channels=1,
        dims=3,
        unverified="licence, network and intensities, from memory",
    ),
}
