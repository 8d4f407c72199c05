"""Which files are images, and what of their names remains without suffixes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dvpt_monai.data.masks import PHOTOGRAPHS
from dvpt_monai.errors import DataError
from dvpt_monai.recipes.recipe import VOLUMES

__all__ = ["PHOTOGRAPHS", "VOLUMES", "folders_in", "images_below", "is_image", "is_volume", "stem_of"]

FOREIGN = {
    ".dcm": "convert DICOM series to NIfTI first, for instance with dcm2niix",
    ".mha": "convert MetaImage files to NIfTI first, for instance with SimpleITK",
    ".mhd": "convert MetaImage files to NIfTI first, for instance with SimpleITK",
    ".nrrd": "convert NRRD files to NIfTI first, for instance with SimpleITK",
    ".npz": "write the arrays as PNG or NIfTI files first",
    ".npy": "write the arrays as PNG or NIfTI files first",
    ".webp": "save the images as PNG first",
}
"""Files that look like data but are not read, and what to do."""


def is_image(path: Path) -> bool:
    """Whether a file's name is that of an image; hidden files are none.

    Example:
        >>> is_image(Path("a.PNG")), is_image(Path("._a.nii.gz"))
        (True, False)
    """
    return not path.name.startswith(".") and path.name.lower().endswith(PHOTOGRAPHS + VOLUMES)


def is_volume(path: Path) -> bool:
    """Whether a file's name is that of a NIfTI file."""
    return path.name.lower().endswith(VOLUMES)


def stem_of(path: Path) -> str:
    """A file's name without its suffixes.

    Example:
        >>> stem_of(Path("case.1.nii.gz")), stem_of(Path("eye.jpg"))
        ('case.1', 'eye')
    """
    for suffix in PHOTOGRAPHS + VOLUMES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones."""
    found = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith((".", "__")))


def images_below(folder: Path) -> list[Path]:
    """Every image in a folder and the folders in it, by name."""
    return sorted(path for path in _walk(folder) if is_image(path))


def nothing_here(folder: Path) -> DataError:
    """The error that a folder holds no image, with the remedy for what it holds instead."""
    suffixes = {path.suffix.lower() for path in _walk(folder)}
    remedy = next((remedy for suffix, remedy in FOREIGN.items() if suffix in suffixes), "")
    wanted = ", ".join(PHOTOGRAPHS + VOLUMES)
    return DataError(f"{folder}: no images here ({wanted}); {remedy or 'give the folder that holds them as --data'}")


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield from (Path(place) / name for name in files)
