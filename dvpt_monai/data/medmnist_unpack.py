"""A file of MedMNIST, arrays of images in one, as images and a table: the layout that people's own data have."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from dvpt_monai.data.download import md5_of_file
from dvpt_monai.data.find import cached_data
from dvpt_monai.data.medmnist_sets import MEDMNIST, md5_of, split_name
from dvpt_monai.errors import DataError

__all__ = ["SPLITS", "unpack_medmnist"]

logger = logging.getLogger(__name__)

HOME = "https://medmnist.com"
SPLITS = ("train", "val", "test")


def unpack_medmnist(npz: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the images of a MedMNIST file as PNG, volumes as NIfTI, with a table ``labels.csv``: image, split, labels.

    The label's column is ``label``, of RetinaMNIST ``dr_grade`` as the fundus bundle reads it; ChestMNIST has one of 0
    and 1 for each finding. The folder appears complete or not at all; one that is there already is left as it is. The
    voxels are as in the file, in its order of axes, 1 mm apart for want of a true spacing. One image at a time is held
    in memory.

    Args:
        npz: the file; where its md5 is published, it is checked.
        out: the folder; by default ``data/<name>`` in the cache.

    Returns:
        The folder.

    Raises:
        DataError: if the file is missing, damaged, of another md5 or without labelled images, or if the folder holds
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
            with zipfile.ZipFile(source) as archive:
                rows = _write_images(archive, part, source)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{source}: cannot be read ({error}); fetch it again from {HOME}") from error
        (part / "SOURCE.txt").write_text(f"{source.name} of MedMNIST v2, {HOME}, unpacked by dvpt_monai.\n")
        (part / "labels.csv").write_text("\n".join(rows) + "\n")
        try:
            part.rename(folder)
        except OSError:  # another process was quicker
            if not (folder / "labels.csv").is_file():
                raise
    return folder


def _write_images(archive: zipfile.ZipFile, folder: Path, source: Path) -> list[str]:
    """The lines of the table, when all images are written."""
    known = MEDMNIST.get(split_name(source.stem)[0])
    columns = known.columns if known else None
    shape: tuple[int, ...] | None = None
    rows: list[str] = []
    for split in SPLITS:
        with _member(archive, f"{split}_labels", source) as file:
            labels = npy.read_array(file)
        labels = labels.reshape(len(labels), -1)
        if columns is None:
            columns = ("label",) if labels.shape[1] == 1 else tuple(f"label_{i}" for i in range(labels.shape[1]))
        rows = rows or [",".join(["image", "split", *columns])]
        with _member(archive, f"{split}_images", source) as file:
            count, size, images = _stream(file)
            if len(size) not in (2, 3) or shape not in (None, size):
                raise DataError(f"{source}: {split}_images of {count} x {size} are no images or volumes of one size")
            if labels.shape != (count, len(columns)):
                raise DataError(
                    f"{source}: {split}_labels of shape {labels.shape} are not {len(columns)} for each of {count}"
                )
            shape = size
            bar = tqdm(zip(images, labels, strict=True), total=count, desc=f"{source.stem}, {split}", disable=None)
            for number, (image, values) in enumerate(bar):
                name = _save(image, folder, f"images/{split}_{number:04d}")
                rows.append(",".join([name, split, *(str(int(value)) for value in values)]))
    return rows


def _member(archive: zipfile.ZipFile, name: str, source: Path) -> IO[bytes]:
    if f"{name}.npy" not in archive.namelist():
        raise DataError(f"{source}: no array {name!r}; give a file of MedMNIST v2, from {HOME}")
    return archive.open(f"{name}.npy")


def _stream(file: IO[bytes]) -> tuple[int, tuple[int, ...], Iterator[NDArray[Any]]]:
    """How many images an array has, their shape, and one after the other: the largest sets fit into no memory."""
    header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = header(file)
    if by_columns or dtype.hasobject or not shape:
        raise ValueError(f"an array of {shape} {dtype} is none of images")
    count, *size = shape
    length = dtype.itemsize * int(np.prod(size))

    def images() -> Iterator[NDArray[Any]]:
        for _ in range(count):
            content = file.read(length)
            if len(content) < length:
                raise EOFError("it ends early")
            yield np.frombuffer(content, dtype).reshape(size)

    return count, tuple(size), images()


def _save(image: NDArray[Any], folder: Path, name: str) -> str:
    """Write an image, or a volume; its name with the suffix."""
    if image.ndim == 3 and image.shape[-1] != 3:
        name += ".nii.gz"
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / name)
    else:
        name += ".png"
        Image.fromarray(image).save(folder / name)
    return name


def _check_md5(source: Path) -> None:
    if not source.is_file():
        raise DataError(f"{source}: no such file; the sets of MedMNIST v2 are at {HOME}")
    expected = md5_of(source.stem)
    if expected is None:
        logger.warning("%s: its md5 is not known here and was not checked", source)
        return
    found = md5_of_file(source)
    if found != expected:
        raise DataError(f"{source}: md5 {found}, expected {expected}; fetch it again from {HOME}")
