"""Volumes with masks in the layout of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.folder import begin, finish
from dvpt_monai.phantoms.hippocampus import draw_hippocampus

__all__ = ["write_hippocampus"]


def write_hippocampus(out: str | os.PathLike[str], num: int = 20, seed: int = 0) -> Path:
    """Write hippocampus phantoms in the layout of the Decathlon's ``Task04_Hippocampus``.

    Volumes of about 35 x 50 x 36 voxels of 1 mm; labels: 0 background, 1 anterior, 2 posterior. The same arguments give
    the same volumes; a folder that holds them already is left as it is.

    Args:
        out: folder to write; made if missing.
        num: number of volumes, all in the section ``training``.
        seed: another seed, other volumes.

    Returns:
        The folder.

    Raises:
        DataError: if the folder holds something that is no phantom, or an argument is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = write_hippocampus(home, num=2)
        ...     print(sorted(path.name for path in (folder / "labelsTr").iterdir()))
        ['hippocampus_phantom_001.nii.gz', 'hippocampus_phantom_002.nii.gz']
    """
    if num < 1:
        raise DataError(f"write_hippocampus: num={num}, at least 1")
    folder = Path(out)
    recipe = f"write_hippocampus(num={num}, seed={seed}), recipe 1"
    if not begin(folder, "dataset.json", recipe, "*Tr/*_phantom_*.nii.gz"):
        return folder
    training = []
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(exist_ok=True)
    for number in tqdm(range(1, num + 1), desc="hippocampus phantoms", unit="volume", disable=None):
        image, label = draw_hippocampus(seed=(seed, number))
        case = {key: f"./{key}sTr/hippocampus_phantom_{number:03d}.nii.gz" for key in ("image", "label")}
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / case["image"])
        nib.save(nib.Nifti1Image(label, np.eye(4)), folder / case["label"])
        training.append(case)
    table = {
        "name": "Hippocampus phantoms",
        "description": "generated volumes with two adjacent structures; no patients",
        "licence": "CC0",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "numTraining": num,
        "numTest": 0,
        "training": training,
        "test": [],
    }
    finish(folder / "dataset.json", json.dumps(table, indent=1) + "\n")
    return folder
