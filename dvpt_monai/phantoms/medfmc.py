"""Chests in the layout of MedFMC, with all its lists of few shots."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from dvpt_monai.data.medfmc import medfmc_labels
from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.chest import draw_chest
from dvpt_monai.phantoms.folder import begin, finish

__all__ = ["write_medfmc"]


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
    if not begin(folder, f"{subset}/trainval.txt", f"{recipe}, recipe 1", f"{subset}/images/*phantom*.png"):
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

    def write_list(part: str, numbers: Iterable[int]) -> None:
        mark = "," if subset == "chest" else " "
        text = "".join(f"{files[number]} {mark.join(map(str, labels[number]))}\n" for number in numbers)
        finish(folder / subset / f"{part}.txt", text)

    write_list("test_WithLabel", range(num_train, len(files)))
    patients = np.arange(num_train) // (1 if subset == "chest" else 4)
    for shots, experiment in product((1, 5, 10), range(1, 6)):
        drawn: list[int] = []
        for column, value in ((0, 0), (0, 1)) if subset == "colon" else ((k, 1) for k in range(len(names))):
            showing = labels[:num_train, column] == value
            chosen = rng.permutation(np.unique(patients[showing]))[:shots]
            drawn += np.flatnonzero(showing & np.isin(patients, chosen)).tolist()
        write_list(f"{subset}_{shots}-shot_train_exp{experiment}", drawn)
        write_list(f"{subset}_{shots}-shot_val_exp{experiment}", rng.permutation(num_train).tolist())
    write_list("trainval", range(num_train))
    return folder


def _medfmc_name(subset: str, number: int) -> str:
    """A file's name as the subset has them: with the patient's study, with the region of a slide, with neither."""
    if subset == "endo":
        return f"phantom_2021.12_{number // 4:04d}_{number:08d}.png"
    if subset == "colon":
        return f"phantom-{number // 4:05d}-1-1_2019-05-28 23_07_27-lv1-54636-8351-5285-8025p{number % 4:04d}.png"
    return f"5phantom{number:06d}.png"
