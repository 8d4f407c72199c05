"""Volumes of MedMNIST v2, one array in one file, as images and a table: the layout that people's own data have."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dvpt_monai.data.find import cached_data, find_data, places
from dvpt_monai.errors import DataError

logger = logging.getLogger(__name__)

HOME = "https://medmnist.com"
SPLITS = ("train", "val", "test")
_MD5 = {"adrenalmnist3d_64.npz": "17721accfe9fb005146a47d33bc54b2f"}  # as published


def find_medmnist(name: str, start: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder of a set of MedMNIST; where only its file is at hand, unpack that into the cache, once.

    Args:
        name: the set, such as ``"adrenalmnist3d_64"``.
        start: where to begin to look upwards, as in `find_data`.

    Returns:
        A folder with ``labels.csv``: one that `find_data` finds, else what `unpack_medmnist` makes.

    Raises:
        DataError: if neither folder nor file exists; says where they were looked for and where the home is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = Path(home) / "shared" / "data" / "mymnist3d"
        ...     folder.mkdir(parents=True)
        ...     find_medmnist("mymnist3d", start=home) == folder
        True
    """
    try:
        return find_data(name, start)
    except DataError:
        return unpack_medmnist(medmnist_file(name, start))


def medmnist_file(name: str, start: str | os.PathLike[str] | None = None) -> Path:
    """Find the file ``<name>.npz``, where `find_data` looks for folders, or in a folder ``medmnist`` there.

    Raises:
        DataError: if it is in none of these places.
    """
    looked = [place / folder / f"{name}.npz" for place in places(start) for folder in ("medmnist", ".")]
    for path in looked:
        if path.is_file():
            return path
    places_said = "\n  ".join(map(str, looked))
    raise DataError(
        f"no data set {name!r} here. {name}.npz is at {HOME}: put it into a folder and set DVPT_DATA to that, or "
        "unpack it with `python -m dvpt_monai medmnist FILE`; for generated volumes instead: `python -m dvpt_monai "
        f"phantoms OUT`. Looked for\n  {places_said}"
    )


def unpack_medmnist(npz: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the volumes of a MedMNIST file as NIfTI, with a table ``labels.csv``: image, split and label.

    The folder appears complete or not at all; one that is there already is left as it is. The voxels are as in the
    file, in its order of axes, 1 mm apart for want of a true spacing.

    Args:
        npz: the file; where its md5 is published, it is checked.
        out: the folder; by default ``data/<name>`` in the cache.

    Returns:
        The folder.

    Raises:
        DataError: if the file is missing, damaged, of another md5 or without labelled volumes, or if the folder holds
            something else.

    Example:
        >>> with tempfile.TemporaryDirectory() as home:
        ...     arrays = {f"{split}_images": np.zeros((1, 4, 4, 4), np.uint8) for split in SPLITS}
        ...     arrays |= {f"{split}_labels": np.ones((1, 1), np.uint8) for split in SPLITS}
        ...     np.savez(Path(home, "mymnist3d.npz"), **arrays)
        ...     folder = unpack_medmnist(Path(home, "mymnist3d.npz"), Path(home, "volumes"))
        ...     print((folder / "labels.csv").read_text().splitlines()[:2])
        ['image,split,label', 'images/train_0000.nii.gz,train,1']
    """
    source = Path(npz)
    folder = cached_data() / source.stem if out is None else Path(out)
    if (folder / "labels.csv").is_file():
        return folder
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder}: not empty, and no labels.csv in it; choose a new folder")
    _check_md5(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as home:
        part = Path(home, "whole")
        (part / "images").mkdir(parents=True)
        try:
            with np.load(source) as arrays:
                rows = _write_volumes(arrays, part, source)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{source}: cannot be read ({error}); fetch it again from {HOME}") from error
        (part / "SOURCE.txt").write_text(f"{source.name} of MedMNIST v2, {HOME}, unpacked by dvpt_monai.\n")
        (part / "labels.csv").write_text("\n".join(["image,split,label", *rows]) + "\n")
        try:
            part.rename(folder)
        except OSError:  # another process was quicker
            if not (folder / "labels.csv").is_file():
                raise
    return folder


def _write_volumes(arrays: Mapping[str, NDArray[Any]], folder: Path, source: Path) -> list[str]:
    rows = []
    for split in SPLITS:
        absent = [name for name in (f"{split}_images", f"{split}_labels") if name not in arrays]
        if absent:
            raise DataError(f"{source}: no array {absent[0]!r}; give a file of MedMNIST v2, from {HOME}")
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.ndim != 4 or images.shape[-1] == 3:
            raise DataError(f"{source}: {split}_images of shape {images.shape} are no volumes; give one of the 3D sets")
        if labels.shape not in ((len(images),), (len(images), 1)):
            raise DataError(f"{source}: {split}_labels of shape {labels.shape} are not one label for each volume")
        bar = tqdm(zip(images, labels.flatten(), strict=True), total=len(images), desc=f"{source.stem}, {split}")
        for number, (volume, label) in enumerate(bar):
            name = f"images/{split}_{number:04d}.nii.gz"
            nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / name)
            rows.append(f"{name},{split},{int(label)}")
    return rows


def _check_md5(source: Path) -> None:
    if not source.is_file():
        raise DataError(f"{source}: no such file; the sets of MedMNIST v2 are at {HOME}")
    expected = _MD5.get(source.name)
    if expected is None:
        logger.warning("%s: its md5 is not known here and was not checked", source)
        return
    found = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    if found != expected:
        raise DataError(f"{source}: md5 {found}, expected {expected}; fetch it again from {HOME}")
