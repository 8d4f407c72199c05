"""What the header of an image tells, once its file is known to be whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from PIL import Image

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.files import is_volume

__all__ = ["Header", "Unreadable", "header_of"]

WIDE = {"I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}
"""Bits of Pillow's modes that have more than 8."""


class Unreadable(DataError):
    """A file that is damaged, or no image; ``file`` and ``reason`` say which and why."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: cannot be read ({reason}); replace it or move it away")
        self.file, self.reason = file, reason


@dataclass(frozen=True)
class Header:
    """Size and kind of an image.

    Args:
        size: pixels, height and width; or voxels along the three axes.
        channels: colours, or the length of a fourth axis.
        bits: of a value.
        kind: Pillow's mode, or the data type of a volume.
        spacing: mm along each axis; empty in 2D.
        orientation: of a volume, as in RAS.
        affine: of a volume.
    """

    size: tuple[int, ...]
    channels: int
    bits: int
    kind: str
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    affine: NDArray[Any] | None = None

    @property
    def dims(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def in_ras(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Size and spacing along the axes that the volume has once it is turned to RAS; of 2D as they are."""
        if self.affine is None:
            return self.size, self.spacing
        axes = np.argsort(nib.io_orientation(self.affine)[:, 0])
        return tuple(self.size[axis] for axis in axes), tuple(self.spacing[axis] for axis in axes)


def header_of(path: Path) -> Header:
    """Read the header of an image.

    Raises:
        Unreadable: it is damaged, such as cut off half-way.
        DataError: it is neither a single 2D image nor a volume; names the file and the remedy.
    """
    try:
        return _volume(path) if is_volume(path) else _photograph(path)
    except DataError:
        raise
    except Exception as error:  # readers raise whatever they stumble over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unreadable(path, reason) from error


def _photograph(path: Path) -> Header:
    with Image.open(path) as image:
        pages = getattr(image, "n_frames", 1)
        if pages > 1:
            raise DataError(f"{path}: it holds {pages} pages; save a stack as NIfTI, or keep one page")
        height, width, mode = image.height, image.width, image.mode
        _check_whole(image)
    if mode == "CMYK":
        raise DataError(f"{path}: its colours are CMYK; save it as RGB")
    return Header((height, width), 1 if mode in ("1", "L", "LA", *WIDE) else 3, WIDE.get(mode, 8), mode)


def _check_whole(image: Image.Image) -> None:
    """Raise Pillow's error if pixels are missing, as cheaply as the format allows."""
    if image.format == "PNG":
        image.verify()  # by checksums, which only PNG has
    else:
        image.draft("L", (1, 1))  # JPEG: an eighth of the size
        image.load()


def _volume(path: Path) -> Header:
    image: Any = nib.load(path)
    shape = tuple(int(length) for length in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) < 3 or shape[2] == 1:
        raise DataError(f"{path}: a NIfTI file of a single slice; save it as PNG, and all others too")
    if len(shape) > 4:
        raise DataError(f"{path}: {len(shape)} axes {shape}; save three, or four with the channels last")
    spacing = tuple(round(float(mm), 4) for mm in voxel_sizes(image.affine))
    if not all(np.isfinite(mm) and mm > 0 for mm in spacing):
        raise DataError(f"{path}: its spacing is {spacing} mm; write the right one into its header")
    kind = image.get_data_dtype()
    return Header(
        size=shape[:3],
        channels=shape[3] if len(shape) > 3 else 1,
        bits=8 * kind.itemsize,
        kind=str(kind),
        spacing=spacing,
        orientation="".join(nib.aff2axcodes(image.affine)),
        affine=image.affine,
    )
