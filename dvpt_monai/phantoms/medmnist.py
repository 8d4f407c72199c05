"""Shapes of glands in the layout of MedMNIST's volumes once they are unpacked."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.adrenal import draw_adrenal
from dvpt_monai.phantoms.folder import begin, finish

__all__ = ["write_adrenal"]


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
    if not begin(folder, "labels.csv", f"write_adrenal({numbers}), recipe 1", "images/*_phantom_*.nii.gz"):
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
    finish(folder / "labels.csv", "\n".join(rows) + "\n")
    return folder
