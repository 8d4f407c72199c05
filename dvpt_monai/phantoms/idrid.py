"""Photographs of eyes in the layouts of IDRiD: graded, and with a mask for each lesion."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.folder import begin, finish
from dvpt_monai.phantoms.fundus import draw_fundus, draw_lesions
from dvpt_monai.phantoms.lesions import LESIONS

__all__ = ["write_fundus", "write_lesions"]


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
    if not begin(folder, "labels.csv", recipe, "images/*_phantom_*.jpg"):
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
    finish(folder / "labels.csv", "\n".join(rows) + "\n")
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
    if not begin(folder, "cases.csv", recipe, "t*/*/phantom_*.*"):
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
    finish(folder / "cases.csv", "\n".join(rows) + "\n")
    return folder
