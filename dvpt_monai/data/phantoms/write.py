"""Folders of phantoms, in the layouts of the real data sets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from tqdm import tqdm

from dvpt_monai.data.errors import DataError
from dvpt_monai.data.medfmc import medfmc_labels
from dvpt_monai.data.phantoms.chest import draw_chest
from dvpt_monai.data.phantoms.fundus import LESIONS, draw_fundus, draw_lesions
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


def write_lesions(
    out: str | os.PathLike[str], num_train: int = 24, num_test: int = 8, size: int = 256, seed: int = 0
) -> Path:
    """Write fundus phantoms with a mask for each lesion, in the layout of ``idrid_lesions``.

    ``train`` and ``test`` hold ``images`` and ``masks``, PNGs of 0 and 255 named after the image and the lesion: MA,
    HE, EX, SE, OD. A lesion that an eye does not have has no file, as soft exudates in every second. ``cases.csv``
    lists the images with their grades, 2 or 3. The same arguments give the same images; a folder that holds them
    already is left as it is.

    Args:
        out: folder to write; made if missing.
        num_train: images below ``train``.
        num_test: images below ``test``.
        size: width and height, in pixels.
        seed: another seed, other eyes.

    Returns:
        The folder.

    Raises:
        DataError: if the folder holds something that is no phantom, or an argument is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = write_lesions(home, num_train=1, num_test=1, size=64)
        ...     print(sorted(path.name for path in (folder / "train" / "masks").iterdir()))
        ['phantom_001_EX.png', 'phantom_001_HE.png', 'phantom_001_MA.png', 'phantom_001_OD.png']
    """
    if num_train < 1 or num_test < 0 or size < 32:
        raise DataError(f"write_lesions: num_train={num_train} (at least 1), num_test={num_test} (0), size={size} (32)")
    folder = Path(out)
    recipe = f"write_lesions(num_train={num_train}, num_test={num_test}, size={size}, seed={seed}), recipe 1"
    if not _begin(folder, "cases.csv", recipe, "t*/*/phantom_*.*"):
        return folder
    parts = ["train"] * num_train + ["test"] * num_test
    rows = ["image,dr_grade"]
    for number, part in enumerate(tqdm(parts, desc="lesion phantoms", unit="image", disable=None), start=1):
        grade, name = 3 - number % 2, f"phantom_{number:03d}"
        image, masks = draw_lesions(grade, size, seed=(seed, number))
        for kind in ("images", "masks"):
            (folder / part / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / part / "images" / f"{name}.jpg", quality=92)
        for lesion in LESIONS:
            if lesion in masks:
                mask = np.uint8(255) * masks[lesion].astype(np.uint8)
                Image.fromarray(mask).save(folder / part / "masks" / f"{name}_{lesion}.png")
        rows.append(f"{part}/images/{name}.jpg,{grade}")
    _finish(folder / "cases.csv", "\n".join(rows) + "\n")
    return folder


def write_medfmc(
    out: str | os.PathLike[str],
    subset: str = "chest",
    num_train: int = 100,
    num_test: int = 40,
    size: int = 128,
    seed: int = 0,
) -> Path:
    """Write chest phantoms in the layout of MedFMC: images, ``trainval``, ``test_WithLabel``, all lists of few shots.

    Every label has its own mark, in about a sixth of the images (in a half where there is one label alone). The lists
    are drawn as MedFMC draws them: an image stands in a training list once for each label that it was drawn for, and
    the validation lists hold all of ``trainval``, what trains too. Patients of ``endo`` and ``colon`` have four images
    each; theirs are chests as well, in other colours. The same arguments give the same images; a folder that holds them
    already is left as it is.

    Args:
        out: folder to write; made if missing. One folder holds one subset of phantoms.
        subset: ``"chest"``, ``"endo"`` or ``"colon"``, whose names of files, separators and labels are used.
        num_train: images of ``trainval``.
        num_test: images of ``test_WithLabel``.
        size: width and height, in pixels.
        seed: another seed, other chests.

    Returns:
        The folder.

    Raises:
        DataError: if the folder holds something that is no phantom, or an argument is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = write_medfmc(home, num_train=20, num_test=5, size=32)
        ...     print(len(list((folder / "chest").glob("*.txt"))), len(list((folder / "chest" / "images").iterdir())))
        32 25
    """
    names = medfmc_labels(subset)
    if num_train < 20 or num_test < 1 or size < 32:
        raise DataError(f"write_medfmc: num_train={num_train} (at least 20), num_test={num_test} (1), size={size} (32)")
    folder = Path(out)
    recipe = f"write_medfmc(subset={subset!r}, num_train={num_train}, num_test={num_test}, size={size}, seed={seed})"
    if not _begin(folder, f"{subset}/trainval.txt", f"{recipe}, recipe 1", f"{subset}/images/*phantom*.png"):
        return folder
    (folder / subset / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    labels = (rng.random((num_train + num_test, len(names))) < (1 / 6 if len(names) > 1 else 1 / 2)).astype(int)
    for first, count in ((0, num_train), (num_train, num_test)):  # every label is seen, as far as the images reach
        seen = np.arange(min(count, len(names)))
        labels[first + seen, seen] = 1
    files = [_medfmc_name(subset, number) for number in range(len(labels))]
    for number, name in enumerate(tqdm(files, desc=f"{subset} phantoms", unit="image", disable=None)):
        gray = draw_chest(labels[number].tolist(), size, seed=(seed, number))
        colours = {"endo": (1.0, 0.6, 0.5), "colon": (0.9, 0.6, 1.0)}.get(subset)
        shown = gray if colours is None else (gray[..., None] * np.array(colours)).astype(np.uint8)
        Image.fromarray(shown).save(folder / subset / "images" / name)

    def finish(part: str, numbers: Iterable[int]) -> None:
        mark = "," if subset == "chest" else " "
        text = "".join(f"{files[number]} {mark.join(map(str, labels[number]))}\n" for number in numbers)
        _finish(folder / subset / f"{part}.txt", text)

    finish("test_WithLabel", range(num_train, len(files)))
    patients = np.arange(num_train) // (1 if subset == "chest" else 4)
    for shots, experiment in product((1, 5, 10), range(1, 6)):
        drawn: list[int] = []
        for column, value in ((0, 0), (0, 1)) if subset == "colon" else ((k, 1) for k in range(len(names))):
            showing = labels[:num_train, column] == value
            chosen = rng.permutation(np.unique(patients[showing]))[:shots]
            drawn += np.flatnonzero(showing & np.isin(patients, chosen)).tolist()
        finish(f"{subset}_{shots}-shot_train_exp{experiment}", drawn)
        finish(f"{subset}_{shots}-shot_val_exp{experiment}", rng.permutation(num_train).tolist())
    finish("trainval", range(num_train))
    return folder


def _medfmc_name(subset: str, number: int) -> str:
    """A file's name as the subset has them: with the patient's study, with the region of a slide, with neither."""
    if subset == "endo":
        return f"phantom_2021.12_{number // 4:04d}_{number:08d}.png"
    if subset == "colon":
        return f"phantom-{number // 4:05d}-1-1_2019-05-28 23_07_27-lv1-54636-8351-5285-8025p{number % 4:04d}.png"
    return f"5phantom{number:06d}.png"


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
