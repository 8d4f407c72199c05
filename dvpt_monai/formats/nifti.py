"""NIfTI by nibabel, with every byte checked that the file lets check, and one answer to where it lies."""

from __future__ import annotations

import gzip
import logging
import os
import zlib
from io import BytesIO
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats.grid import apart, check_affine, tolerance
from dvpt_monai.formats.image import Image
from dvpt_monai.whole_file import whole_file

__all__ = ["DamagedStream", "load_nifti", "read_nifti", "write_nifti"]

logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # its words name no file, and the errors have them

_LONGEST_HEADER = 540
_PIECE = 1 << 20
_UNITS = {1: "metres", 3: "micrometres"}  # of the header's code; 0 and 2 are millimetres


class DamagedStream(DataError):
    """A file that cannot be read as it was written: cut off, or its checksum tells."""


def read_nifti(path: str | os.PathLike[str]) -> Image:
    """Read ``.nii`` or ``.nii.gz``; further axes than three, and colours, become channels.

    The affine is nibabel's, where other readers agree with it: within a twentieth of a voxel over the whole grid.

    Raises:
        DataError: on a damaged file, a spacing of zero, and a header whose parts say different places.
    """
    image = load_nifti(path)
    affine = _affine(image, str(path))
    array = np.asanyarray(image.dataobj)
    if array.dtype.names:  # colours
        array = np.stack([array[name] for name in array.dtype.names], axis=-1)
    if array.ndim == 5 and array.shape[3] == 1:  # vectors: the fourth axis is time
        array = array[..., 0, :]
    if array.ndim > 4:
        raise DataError(f"{path}: {array.ndim} axes of {array.shape}; save one volume, with channels as fourth axis")
    return Image(array, array.ndim == 4, affine, "nifti", str(path), _header(image))


def load_nifti(path: str | os.PathLike[str]) -> Any:
    """The file as nibabel has it, after its checksum and size were compared.

    nibabel itself stops at the last voxel, before the checksum of a gzip stream.

    Raises:
        DamagedStream: on compressed bytes that are not those that were written.
        DataError: on a file that is missing or damaged.
    """
    data = _bytes(path)
    try:
        image: Any = _kind(data).from_bytes(data)
        extra = len(data) - _described(data)
    except Exception as error:  # nibabel raises much
        raise DataError(f"{path}: no NIfTI file, or a damaged one ({error}); copy or export it again") from error
    if extra:
        wrong = f"{-extra} bytes are missing" if extra < 0 else "more bytes than its header describes"
        raise DataError(f"{path}: {wrong}; copy or export it again")
    return image


def write_nifti(path: str | os.PathLike[str], array: NDArray[Any], affine: NDArray[np.float64]) -> None:
    """Write a volume, with channels as its last axis, whole or not at all.

    Args:
        path: ends in ``.nii`` or ``.nii.gz``.
        array: its voxels, in the type that the file shall have.
        affine: from indices to RAS in mm; becomes sform and qform.
    """
    import nibabel

    image = nibabel.Nifti1Image(array, affine)
    image.set_sform(affine, "scanner")
    image.set_qform(affine, "scanner")
    image.header.set_xyzt_units("mm")
    with whole_file(path) as part:
        # The temporary name of a.nii.gz ends in .gz alone, by which nibabel could not tell the format.
        data = image.to_bytes()
        part.write_bytes(gzip.compress(data, 6, mtime=0) if str(path).endswith(".gz") else data)


def _bytes(path: str | os.PathLike[str]) -> bytes:
    """What the file holds, up to the first byte more than its header describes, since it may unpack to any size."""
    try:
        with open(path, "rb") as stored:
            packed = stored.read(2) == b"\x1f\x8b" or str(path).lower().endswith(".gz")
            stored.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=stored)) if packed else stored
            pieces = [file.read(_LONGEST_HEADER)]
            try:
                left = _described(pieces[0]) + 1 - len(pieces[0])
            except Exception:  # nibabel raises much, and does so again once the checksum is compared
                left = 0
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                pieces.append(piece)
                left -= len(piece)
            while file.read(_PIECE):  # to the checksum
                pass
            return b"".join(pieces)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedStream(f"{path}: cannot be read (damaged: {error}); copy or export it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _kind(data: bytes) -> Any:
    """The class of nibabel for the version of the format that the first four bytes name."""
    from nibabel.nifti1 import Nifti1Image
    from nibabel.nifti2 import Nifti2Image

    second = 540 in (int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big"))
    return Nifti2Image if second else Nifti1Image


def _described(data: bytes) -> int:
    """The bytes that a file has, by its header."""
    header = _kind(data).header_class.from_fileobj(BytesIO(data))
    voxels = int(np.prod(header.get_data_shape(), dtype=np.int64))
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)


def _header(image: Any) -> dict[str, Any]:
    try:
        return dict(image.header.as_byteswapped("<"))
    except ValueError:  # it is little-endian
        return dict(image.header)


def _affine(image: Any, path: str) -> NDArray[np.float64]:
    header = image.header
    affine = np.array(image.affine, np.float64)
    shape = image.shape[:3]
    if unit := _UNITS.get(int(header["xyzt_units"]) & 7):
        raise DataError(f"{path}: its spacing is in {unit}, which readers take differently; save it in millimetres")
    if not header["sform_code"] and not header["qform_code"]:
        raise DataError(
            f"{path}: neither sform nor qform is set, and readers place it differently; set one of them (sform_code "
            'and srow_x, _y, _z), or take nibabel\'s view with reader="NibabelReader"'
        )
    check_affine(affine, shape, path)
    for name, other in _readings(image, affine, path).items():
        if (distance := apart(affine, other, shape)) > tolerance(affine):
            raise DataError(
                f"{path}: sform and {name} disagree by up to {distance:.3g} mm, and readers follow either; make them "
                'equal, or take nibabel\'s view (the sform) with reader="NibabelReader"'
            )
    return affine


def _readings(image: Any, affine: NDArray[np.float64], path: str) -> dict[str, NDArray[np.float64]]:
    """What other readers make of a file with an sform."""
    header = image.header
    if not header["sform_code"]:
        return {}
    scaled = affine.copy()
    lengths = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    lengths[len(image.shape) :] = np.linalg.norm(affine[:3, :3], axis=0)[len(image.shape) :]
    scaled[:3, :3] *= lengths / np.linalg.norm(affine[:3, :3], axis=0)
    others = {"pixdim": scaled}
    if header["qform_code"]:
        try:
            others["qform"] = np.asarray(image.get_qform(), np.float64)
        except Exception as error:
            raise DataError(f"{path}: its qform is no rotation ({error}); set it to the sform") from error
    return others
