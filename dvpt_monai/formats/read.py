"""Which format a file has, and reading it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from dvpt_monai.errors import DataError
from dvpt_monai.formats.dicom import is_dicom, is_dicom_seg, read_picture
from dvpt_monai.formats.dicom_seg import read_dicom_seg
from dvpt_monai.formats.grid import apart, tolerance
from dvpt_monai.formats.image import Image
from dvpt_monai.formats.itk import detached_voxels, read_itk
from dvpt_monai.formats.nifti import read_nifti
from dvpt_monai.formats.photographs import read_photograph
from dvpt_monai.formats.seg_nrrd import read_seg_nrrd
from dvpt_monai.formats.segmentation import Segmentation
from dvpt_monai.formats.series import read_series, series_files

__all__ = ["SUFFIXES", "Format", "files_of", "format_of", "name_of", "read", "read_segmentation"]

Format = Literal["nifti", "nrrd", "metaimage", "segmentation", "photograph", "dicom", "dicom-seg"]
PathLike = str | os.PathLike[str]

SUFFIXES: dict[str, Format] = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".seg.nrrd": "segmentation",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".mha": "metaimage",
    ".mhd": "metaimage",
    ".png": "photograph",
    ".jpg": "photograph",
    ".jpeg": "photograph",
    ".jfif": "photograph",
    ".tif": "photograph",
    ".tiff": "photograph",
    ".bmp": "photograph",
    ".webp": "photograph",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
}
"""The format that each suffix means; the longer ones first. DICOM is known without one, too."""


def format_of(path: PathLike) -> Format | None:
    """The format of a file by its name, or by its first bytes where that says nothing; a folder is a DICOM series.

    Example:
        >>> format_of("brain.SEG.nrrd"), format_of("brain.nii.gz"), format_of("notes.txt")
        ('segmentation', 'nifti', None)
    """
    name = Path(path).name.lower()
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if suffix and SUFFIXES[suffix] != "dicom":
        return SUFFIXES[suffix]
    if Path(path).is_dir():
        return "dicom"
    if suffix or is_dicom(path):
        return "dicom-seg" if is_dicom_seg(path) else "dicom"
    return None


def name_of(path: PathLike) -> str:
    """The name of a file without the suffix of its format.

    Example:
        >>> name_of("a/brain.nii.gz"), name_of("a/1.2.840.7"), name_of("x.seg.nrrd")
        ('brain', '1.2.840.7', 'x')
    """
    name = Path(path).name
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def files_of(source: PathLike | Sequence[PathLike]) -> list[Path]:
    """All files that an image is read from: those of a series, or the voxels beside a header.

    Raises:
        DataError: there are none.

    Example:
        >>> [path.name for path in files_of(["a_0000.nii.gz", "a_0001.nii.gz"])]
        ['a_0000.nii.gz', 'a_0001.nii.gz']
    """
    if not isinstance(source, (str, os.PathLike)):
        return [file for path in source for file in files_of(path)]
    path = Path(source)
    if path.is_dir():
        return series_files(path)
    detached = detached_voxels(path) if path.suffix.lower() in (".nhdr", ".mhd") else None
    return [path] if detached is None else [path, detached]


def read(
    source: PathLike | Sequence[PathLike],
    *,
    page: int | None = None,
    window: bool = False,
    structures: Sequence[str] | None = None,
    overlapping: bool = False,
) -> Image:
    """Read an image or a mask of any format.

    Args:
        source: a file; the folder or the files of a DICOM series; or files of one grid, which become channels.
        page: of a file of several pages.
        window: whether to scale the window that a single DICOM file names to 0 to 255.
        structures: what the labels 1, 2, ... shall be of a segmentation that has names (``.seg.nrrd``, DICOM SEG).
            Without it, its own labels are taken.
        overlapping: whether such a segmentation becomes a channel of 0 and 1 for each structure.

    Raises:
        DataError: names the file, and what is wrong with it.
    """
    if not isinstance(source, (str, os.PathLike)):
        paths = list(source)
        if not paths:
            raise DataError("no files to read")
        if len(paths) > 1:
            if all(format_of(path) == "dicom" and not Path(path).is_dir() for path in paths):
                return read_series(paths)
            return _stacked([read(path, page=page, window=window) for path in paths])
        source = paths[0]
    if not os.path.exists(source):
        raise DataError(f"{source}: no such file")
    if not (os.path.isfile(source) or os.path.isdir(source)):  # whoever opens a pipe waits for ever
        raise DataError(f"{source}: neither a file nor a folder, but a pipe or a device; move it away")
    image = _read(source, page, window, structures, overlapping)
    if image.array.dtype.kind == "c":
        raise DataError(f"{source}: complex numbers, of which readers drop a half; save their magnitude")
    return image


def _read(
    source: PathLike, page: int | None, window: bool, structures: Sequence[str] | None, overlapping: bool
) -> Image:
    kind = format_of(source)
    if kind == "nifti":
        return read_nifti(source)
    if kind in ("nrrd", "metaimage"):
        return read_itk(source)
    if kind == "photograph":
        return read_photograph(source, page)
    if kind == "dicom":
        return read_series(source) if Path(source).is_dir() else read_picture(source, window)
    if kind in ("segmentation", "dicom-seg"):
        return _labels(read_segmentation(source), kind, structures, overlapping)
    raise DataError(f"{source}: none of the formats that are read: {', '.join(SUFFIXES)}")


def read_segmentation(path: PathLike) -> Segmentation:
    """Read the structures of a ``.seg.nrrd`` or a DICOM SEG.

    Raises:
        DataError: where it is neither, or damaged.
    """
    kind = format_of(path)
    if kind == "segmentation":
        return read_seg_nrrd(path)
    if kind == "dicom-seg":
        return read_dicom_seg(path)
    raise DataError(f"{path}: no segmentation with names; those end in .seg.nrrd or are DICOM SEG")


def _labels(segmentation: Segmentation, kind: Format, structures: Sequence[str] | None, overlapping: bool) -> Image:
    names = list(segmentation.masks) if structures is None else list(structures)
    if overlapping:
        array = segmentation.channels(names)
    else:
        array = segmentation.label_map(names)
        if structures is None:
            own = np.array([0, *(segmentation.values[name] for name in names)])
            array = own.astype(np.min_scalar_type(int(own.max())))[array]
    header = {"segments": names}
    return Image(array, overlapping, segmentation.affine, kind, segmentation.source, header)


def _stacked(images: Sequence[Image]) -> Image:
    first = images[0]
    for image in images[1:]:
        if image.shape != first.shape:
            raise DataError(f"{first.source} has shape {first.shape}, {image.source} {image.shape}: not one grid")
        if first.affine is None or image.affine is None:
            if first.affine is not image.affine:
                raise DataError(f"{first.source} and {image.source}: a volume and a picture are not one grid")
        elif (distance := apart(first.affine, image.affine, first.shape)) > tolerance(first.affine):
            raise DataError(f"{first.source} and {image.source} are {distance:.3g} mm apart: not one grid")
    channels = [image.array if image.channels else image.array[..., None] for image in images]
    array = np.concatenate(channels, axis=-1)
    return Image(array, True, first.affine, first.format, first.source, first.header)
