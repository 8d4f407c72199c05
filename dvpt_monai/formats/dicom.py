"""DICOM by SimpleITK: single pictures, and what all readers of it share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats.image import Image
from dvpt_monai.formats.itk import itk_error

__all__ = ["Header", "is_dicom", "is_dicom_seg", "pixels", "read_header", "read_picture"]

_SUFFIXES = (".dcm", ".dicom", ".ima")
_NO_IMAGES = ("SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "PR", "SR", "KO", "REG")
_SEGMENTATION_STORAGE = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")
_BIG_ENDIAN, _RUN_LENGTHS = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"
NAMES = {
    "Modality": "0008|0060",
    "SOPClassUID": "0008|0016",
    "SeriesInstanceUID": "0020|000e",
    "SeriesDescription": "0008|103e",
    "ImagePositionPatient": "0020|0032",
    "ImageOrientationPatient": "0020|0037",
    "PixelSpacing": "0028|0030",
    "SliceThickness": "0018|0050",
    "Rows": "0028|0010",
    "Columns": "0028|0011",
    "NumberOfFrames": "0028|0008",
    "PhotometricInterpretation": "0028|0004",
    "BitsAllocated": "0028|0100",
    "BitsStored": "0028|0101",
    "PixelRepresentation": "0028|0103",
    "RescaleSlope": "0028|1053",
    "RescaleIntercept": "0028|1052",
    "WindowCenter": "0028|1050",
    "WindowWidth": "0028|1051",
}
"""What is read of a file, and the tags that have it."""

Header = dict[str, str]


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file is DICOM, by its first bytes, or by its name where it has no preamble; DICOMDIR lists others."""
    if not Path(path).is_file() or Path(path).name.upper() == "DICOMDIR":  # a pipe would be waited for
        return False
    try:
        with Path(path).open("rb") as file:
            return file.read(132)[128:] == b"DICM" or Path(path).suffix.lower() in _SUFFIXES
    except OSError:
        return False


def read_picture(path: str | os.PathLike[str], window: bool = False) -> Image:
    """Read one file of one frame as a picture of rows and columns: an X-ray, a fundus photograph, an ultrasound.

    Slope and intercept are applied, palettes become RGB, and what MONOCHROME1 shows as white is high. The header's
    ``value_range`` is what the pixels can be at least and at most.

    Args:
        path: the file.
        window: whether to scale the window that the file names to 0 to 255, and cut off what is outside.

    Raises:
        DataError: on a damaged file, several frames, what is no image, and a window where the file has none.
    """
    header = read_header(path)
    array = pixels(path, header)
    colours = array.ndim == 3
    shown = (0.0, 255.0) if colours and array.dtype == np.uint8 else _range(header)
    if window:
        array, shown = _window(array, header, str(path)), (0.0, 255.0)
    return Image(array, colours, None, "dicom", str(path), {**header, "value_range": shown})


def is_dicom_seg(path: str | os.PathLike[str]) -> bool:
    """Whether a DICOM file holds a segmentation: its meta information, the first bytes, says so."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    return any(kind in head for kind in _SEGMENTATION_STORAGE)


def read_header(path: str | os.PathLike[str]) -> Header:
    """The tags of `NAMES` that a file has.

    Raises:
        DataError: on a file that is missing or damaged, holds several frames, or no image.
    """
    import SimpleITK as sitk

    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(os.fspath(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise DataError(
            f"{path}: no DICOM image, or a damaged one ({itk_error(error)}); leave it out, or export it again"
        ) from error
    header = {name: reader.GetMetaData(tag).strip(" \0") for name, tag in NAMES.items() if reader.HasMetaDataKey(tag)}
    modality = header.get("Modality", "")
    if modality in _NO_IMAGES:
        raise DataError(f"{path}: no image but {modality}; leave it out")
    frames = header.get("NumberOfFrames", "1")
    if frames not in ("", "1"):
        raise DataError(f"{path}: {frames} frames in one file; save them as files of one frame, or as NIfTI")
    syntax, bits = _transfer_syntax(path), int(header.get("BitsAllocated") or 16)
    grey = header.get("PhotometricInterpretation", "").startswith("MONOCHROME")
    if (syntax == _BIG_ENDIAN and bits > 16) or (syntax == _RUN_LENGTHS and bits > 8 and not grey):
        raise DataError(f"{path}: {bits} bits in a transfer syntax ({syntax}) that is misread; save it uncompressed")
    return header


def _transfer_syntax(path: str | os.PathLike[str]) -> str:
    """How the file writes numbers and pixels: SimpleITK does not say."""
    with Path(path).open("rb") as file:
        head = file.read(2048)
    at = head.find(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    return "" if at < 0 else head[at + 8 : at + 8 + length].decode("ascii", "replace").strip(" \0")


def pixels(path: str | os.PathLike[str], header: Header) -> NDArray[Any]:
    """The pixels of a file of one frame, (rows, columns) or (rows, columns, colours), slope and intercept applied."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(os.fspath(path))
    try:
        array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise DataError(f"{path}: its pixels cannot be read ({itk_error(error)}); export it again") from error
    array = array[0] if array.shape[0] == 1 and array.ndim > 2 else array
    size = int(header["Rows"]), int(header["Columns"])
    if array.shape[:2] != size or array.ndim > 3:
        raise DataError(f"{path}: its pixels are {array.shape}, its header says {size}; export it again")
    return array.astype(np.float32) if array.dtype == np.float64 else array


def numbers(header: Header, name: str) -> list[float]:
    """The numbers of a tag; none where it is missing or holds something else."""
    try:
        return [float(part) for part in header.get(name, "").split("\\")]
    except ValueError:
        return []


def _range(header: Header) -> tuple[float, float]:
    """The lowest and highest value that the pixels can have."""
    bits = int(header.get("BitsStored") or header.get("BitsAllocated") or 16)
    signed = header.get("PixelRepresentation") == "1"
    slope, intercept = (numbers(header, "RescaleSlope") or [1.0])[0], (numbers(header, "RescaleIntercept") or [0.0])[0]
    low = -(2 ** (bits - 1)) if signed else 0
    ends = slope * low + intercept, slope * (low + 2**bits - 1) + intercept
    return min(ends), max(ends)


def _window(array: NDArray[Any], header: Header, source: str) -> NDArray[np.float32]:
    center, width = numbers(header, "WindowCenter"), numbers(header, "WindowWidth")
    if not center or not width or width[0] < 1:
        raise DataError(f"{source}: it names no window; leave window out, or scale intensities yourself")
    low = center[0] - 0.5 - (width[0] - 1) / 2  # PS3.3 C.11.2.1.2.1
    inverted = header.get("PhotometricInterpretation") == "MONOCHROME1"  # which SimpleITK has turned already
    stored = sum(_range(header)) - array.astype(np.float32) if inverted else array.astype(np.float32)
    shown = np.clip((stored - low) / max(width[0] - 1, 1e-6), 0, 1) * np.float32(255)
    return np.float32(255) - shown if inverted else shown
