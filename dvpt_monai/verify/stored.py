"""How a file stores its image, as its header says: what readers differ in."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dvpt_monai import formats

__all__ = ["Header", "Other", "Photograph", "Volume", "stored"]

_ORIENTATION = 0x0112
"""The EXIF tag of how to turn an image."""
_HEADER = 544
"""Bytes that hold a header of NIfTI-1 or 2."""


@dataclass(frozen=True)
class Photograph:
    """The header of a 2D image.

    Args:
        mode: Pillow's.
        pages: number of images in the file.
        turn: the EXIF orientation, 1 for upright.
        size: height and width as stored.
        lossy: whether the values are those of a lossy compression.
    """

    mode: str
    pages: int
    turn: int
    size: tuple[int, int]
    lossy: bool


@dataclass(frozen=True)
class Volume:
    """The header of a NIfTI file.

    Args:
        shape: of all its axes.
        kind: the data type of its values.
        spacing: mm along the first three axes, as ``pixdim`` says.
        qform: the affine of its quaternion; ``None`` where its code is 0 or it is broken.
        sform: likewise, of its three rows.
        expected: bytes of the header and all values, uncompressed.
    """

    shape: tuple[int, ...]
    kind: str
    spacing: tuple[float, ...]
    qform: NDArray[Any] | None
    sform: NDArray[Any] | None
    expected: int


@dataclass(frozen=True)
class Other:
    """The header of an image in another format, of which its reader checks all there is to check.

    Args:
        kind: the data type of its values.
    """

    kind: str


Header = Photograph | Volume | Other


def stored(path: Path, array: NDArray[Any]) -> Header:
    """Read the header of an image whose values are known; raises whatever its reader raises."""
    kind = formats.format_of(path)
    if kind == "nifti":
        return _volume(path)
    return _photograph(path) if kind == "photograph" else Other(str(array.dtype))


def _photograph(path: Path) -> Photograph:
    with Image.open(path) as image:
        turn = int(image.getexif().get(_ORIENTATION, 1))
        lossy = image.format == "JPEG" or (image.format == "TIFF" and image.info.get("compression") == "jpeg")
        return Photograph(image.mode, getattr(image, "n_frames", 1), turn, (image.height, image.width), lossy)


def _volume(path: Path) -> Volume:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        head = file.read(_HEADER)
    two = head[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")
    kind: Any = nib.Nifti2Header if two else nib.Nifti1Header
    header = kind(head[: kind.template_dtype.itemsize], check=False)
    dims = header["dim"]
    count = int(dims[0]) if 0 < dims[0] < 8 else 0
    shape = tuple(int(length) for length in dims[1 : count + 1])
    itemsize = header.get_data_dtype().itemsize
    return Volume(
        shape=shape,
        kind=str(header.get_data_dtype()),
        spacing=tuple(float(mm) for mm in header["pixdim"][1:4]),
        qform=_qform(header) if header["qform_code"] > 0 else None,
        sform=header.get_sform() if header["sform_code"] > 0 else None,
        expected=int(header["vox_offset"]) + itemsize * int(np.prod(shape, dtype=np.int64)),
    )


def _qform(header: Any) -> NDArray[Any] | None:
    try:
        affine: NDArray[Any] = header.get_qform()
    except ValueError:  # a quaternion that is none
        return None
    return affine
