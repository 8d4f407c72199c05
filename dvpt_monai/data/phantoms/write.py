"""Folders of phantoms, in the layouts of the real data sets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from tqdm import tqdm

from dvpt_monai.data.errors import DataError
from dvpt_monai.data.phantoms.adrenal import draw_adrenal
from dvpt_monai.data.phantoms.fundus import draw_fundus
from dvpt_monai.data.phantoms.hippocampus import draw_hippocampus

_NOTE = "PHANTOM.txt"


def is_phantom(dataset_dir: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds generated data: whether its ``PHANTOM.txt`` is there.

    Example:
        >>> is_phantom("/")
        False
    """
    return (Path(dataset_dir) / _NOTE).is_file()


def write_fundus(
    out: str | os.PathLike[str], num_train: int = 60, num_test: int = 20, size: int = 128, seed: int = 0
) -> Path:
    """Write fundus phantoms, with each grade from 0 to 4 equally often, in the layout of ``idrid_grading``.

    ``labels.csv`` has the columns image, split (train or test), dr_grade (0 to 4) and dme_risk (0 without exudates, 2
    with some within a disc's diameter of the fovea, else 1). The same arguments give the same images; a folder
    that holds them already is left as it is.

    Args:
        out: folder to write; made if missing.
        num_train: images with split ``train``.
        num_test: images with split ``test``.
        size: width and height, in pixels.
        seed: another seed, other eyes.

    Returns:
        The folder.

    Raises:
        DataError: if the folder holds something that is no phantom, or an argument is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = write_fundus(home, num_train=5, num_test=0, size=64)
        ...     print((folder / "labels.csv").read_text().split()[0], len(list((folder / "images").iterdir())))
        image,split,dr_grade,dme_risk 5
    """
    if num_train < 1 or num_test < 0 or size < 32:
        raise DataError(f"write_fundus: num_train={num_train} (at least 1), num_test={num_test} (0), size={size} (32)")
    folder = Path(out)
    recipe = f"write_fundus(num_train={num_train}, num_test={num_test}, size={size}, seed={seed}), recipe 1"
    if not _begin(folder, "labels.csv", recipe, "images/*_phantom_*.jpg"):
        return folder
    rows = ["image,split,dr_grade,dme_risk"]
    (folder / "images").mkdir(exist_ok=True)
    order = np.random.default_rng(seed)
    bar = tqdm(total=num_train + num_test, desc="fundus phantoms", unit="image", disable=None)
    for part, (split, count) in enumerate((("train", num_train), ("test", num_test))):
        grades = [int(grade) for _ in range(-(-count // 5)) for grade in order.permutation(5)]
        for number, grade in enumerate(grades[:count], start=1):
            image, dme_risk = draw_fundus(grade, size, seed=(seed, part, number))
            name = f"images/{split}_phantom_{number:03d}.jpg"
            Image.fromarray(image).save(folder / name, quality=92)
            rows.append(f"{name},{split},{grade},{dme_risk}")
            bar.update()
    bar.close()
    _finish(folder / "labels.csv", "\n".join(rows) + "\n")
    return folder


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
    if not _begin(folder, "dataset.json", recipe, "*Tr/*_phantom_*.nii.gz"):
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
    _finish(folder / "dataset.json", json.dumps(table, indent=1) + "\n")
    return folder


def write_adrenal(
    out: str | os.PathLike[str],
    num_train: int = 24,
    num_val: int = 8,
    num_test: int = 8,
    size: int = 64,
    seed: int = 0,
) -> Path:
    """Write shapes of adrenal glands, normal and thick ones in turn, in the layout of `unpack_medmnist`.

    ``labels.csv`` has the columns image, split (train, val or test) and label (1 is hyperplasia). The same arguments
    give the same volumes; a folder that holds them already is left as it is.

    Args:
        out: folder to write; made if missing.
        num_train: volumes with split ``train``.
        num_val: volumes with split ``val``.
        num_test: volumes with split ``test``.
        size: edge of a volume, in voxels.
        seed: another seed, other glands.

    Returns:
        The folder.

    Raises:
        DataError: if the folder holds something that is no phantom, or an argument is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = write_adrenal(home, num_train=2, num_val=1, num_test=0, size=16)
        ...     print((folder / "labels.csv").read_text().split()[-1], len(list((folder / "images").iterdir())))
        images/val_phantom_001.nii.gz,val,1 3
    """
    counts = {"train": num_train, "val": num_val, "test": num_test}
    if num_train < 1 or min(counts.values()) < 0 or size < 16:
        raise DataError(f"write_adrenal: {counts} volumes (at least 1 to train on), size={size} (16)")
    folder = Path(out)
    numbers = f"num_train={num_train}, num_val={num_val}, num_test={num_test}, size={size}, seed={seed}"
    if not _begin(folder, "labels.csv", f"write_adrenal({numbers}), recipe 1", "images/*_phantom_*.nii.gz"):
        return folder
    rows = ["image,split,label"]
    (folder / "images").mkdir(exist_ok=True)
    bar = tqdm(total=sum(counts.values()), desc="adrenal phantoms", unit="volume", disable=None)
    for part, (split, count) in enumerate(counts.items()):
        for number in range(1, count + 1):
            name = f"images/{split}_phantom_{number:03d}.nii.gz"
            volume = draw_adrenal(number % 2, size, seed=(seed, part, number))
            nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / name)
            rows.append(f"{name},{split},{number % 2}")
            bar.update()
    bar.close()
    _finish(folder / "labels.csv", "\n".join(rows) + "\n")
    return folder


def _begin(folder: Path, table: str, recipe: str, images: str) -> bool:
    """Make the folder ready; False if it already holds what `recipe` gives."""
    note = folder / _NOTE
    if folder.is_dir() and any(folder.iterdir()) and not is_phantom(folder):
        raise DataError(f"{folder}: not empty, and no phantoms (no {_NOTE}); choose a new folder")
    if note.is_file() and recipe in note.read_text() and (folder / table).is_file():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / table).unlink(missing_ok=True)  # the table is written last: with it the folder is complete
    for image in folder.glob(images):
        image.unlink()
    note.write_text(
        "PHANTOM DATA: these images are generated by a program. They show no patient, and nothing that is\n"
        "measured on them says anything about medicine.\n"
        f"dvpt_monai.data.{recipe}\n"
    )
    return True


def _finish(table: Path, text: str) -> None:
    unfinished = table.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(table)
