"""The values of an image file and where they lie, also of files that training refuses to load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.formats.nifti import load_nifti

__all__ = ["Scan", "read", "scan_of"]


@dataclass(frozen=True)
class Scan:
    """An image in memory.

    Args:
        array: its values, channels last where there are any; photographs by height and width, turned as their EXIF tag
            says, palettes of masks as indices.
        affine: of a volume, to millimetres in RAS.
    """

    array: NDArray[Any]
    affine: NDArray[Any] | None = None

    @property
    def dims(self) -> int:
        """2 or 3."""
        return 2 if self.affine is None else 3

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width, or voxels along the three axes."""
        return self.array.shape[: self.dims]

    @property
    def channels(self) -> int:
        """Colours, or the length of a fourth axis."""
        return int(np.prod(self.array.shape[self.dims :], dtype=np.int64))


def scan_of(image: formats.Image) -> Scan:
    """An image as training loads it."""
    array = image.array.astype(np.uint8) if image.array.dtype == bool else image.array
    if image.affine is not None and array.ndim < 3:
        array = array.reshape(array.shape + (1,) * (3 - array.ndim))
    return Scan(array, image.affine)


def read(path: Path) -> Scan:
    """Read a NIfTI file or a photograph whole, wherever it lies and however it is stored.

    Raises:
        DamagedStream: it is compressed, and not as it was written.
        DataError: it cannot be read; names the file.
    """
    try:
        return _volume(path) if formats.format_of(path) == "nifti" else _photograph(path)
    except DataError:
        raise
    except Exception as error:  # readers raise whatever they stumble over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: {reason}") from error


def _volume(path: Path) -> Scan:
    image = load_nifti(path)
    array = np.asanyarray(image.dataobj)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return Scan(array.reshape(array.shape + (1,) * (3 - array.ndim)), image.affine)


def _photograph(path: Path) -> Scan:
    with Image.open(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        array = np.asarray(upright.convert("RGB") if image.mode in ("CMYK", "YCbCr", "LAB", "HSV") else upright)
    return Scan(array.astype(np.uint8) if array.dtype == bool else array)
