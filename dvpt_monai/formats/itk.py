"""NRRD and MetaImage by SimpleITK."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats.grid import check_affine, ras
from dvpt_monai.formats.image import Image
from dvpt_monai.whole_file import whole_file

__all__ = ["detached_voxels", "itk_error", "itk_image", "read_itk", "write_itk"]

_DATA_FILE = re.compile(rb"^(?:ElementDataFile *=|data ?file:) *(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_SPACE = re.compile(rb"^space: *(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_SPACES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "lps", "ras", "las")


def read_itk(path: str | os.PathLike[str]) -> Image:
    """Read ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``; vectors, and a fourth axis, become channels.

    Raises:
        DataError: on a damaged file, one without its voxels, or a grid that is none.
    """
    import SimpleITK as sitk

    _check(Path(path))
    try:
        image = sitk.ReadImage(os.fspath(path))
    except RuntimeError as error:
        raise DataError(f"{path}: cannot be read ({itk_error(error)}); copy or export it again") from error
    array = sitk.GetArrayViewFromImage(image)
    vectors = image.GetNumberOfComponentsPerPixel() > 1
    dims = image.GetDimension()
    if dims + vectors > 4 or dims < 2:
        raise DataError(f"{path}: {dims} axes{' of vectors' if vectors else ''}; save one volume with channels")
    order = tuple(reversed(range(dims)))
    array = array.transpose(*order, dims) if vectors else array.transpose(order)
    spatial = min(dims, 3)
    affine = np.eye(4)
    directions = np.reshape(image.GetDirection(), (dims, dims)) * image.GetSpacing()
    affine[:spatial, :spatial] = directions[:spatial, :spatial]
    affine[:spatial, 3] = image.GetOrigin()[:spatial]
    affine = ras(affine)
    check_affine(affine, array.shape[:spatial], str(path))
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if not key.startswith("ITK_")}
    kind = "nrrd" if str(path).lower().endswith(("nrrd", "nhdr")) else "metaimage"
    return Image(np.array(array), vectors or dims == 4, affine, kind, str(path), header)


def itk_image(array: NDArray[Any], affine: NDArray[np.float64], channels: bool = False) -> Any:
    """An array, with channels as its last axis, as an image of SimpleITK.

    Args:
        array: of one to three spatial axes.
        affine: from indices to RAS in mm.
        channels: whether the last axis counts channels.
    """
    import SimpleITK as sitk

    dims = array.ndim - channels
    lps = ras(affine)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    order = (*reversed(range(dims)), *range(dims, array.ndim))
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(order)), isVector=channels)
    image.SetSpacing(spacing[:dims].tolist())
    image.SetOrigin(lps[:dims, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing)[:dims, :dims].ravel().tolist())
    return image


def write_itk(
    path: str | os.PathLike[str], array: NDArray[Any], affine: NDArray[np.float64], channels: bool = False
) -> None:
    """Write ``.nrrd`` or ``.mha``, compressed, whole or not at all.

    Args:
        path: its suffix says the format.
        array: its voxels, in the type that the file shall have.
        affine: from indices to RAS in mm.
        channels: whether the last axis counts channels.
    """
    import SimpleITK as sitk

    image = itk_image(array, affine, channels)
    with whole_file(path) as part:
        sitk.WriteImage(image, str(part), useCompression=True)


def itk_error(error: BaseException) -> str:
    """What SimpleITK says went wrong, without the places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^(ITK ERROR: |sitk::ERROR: )|\(0x[0-9a-f]+\)", "", lines[-1]) if lines else type(error).__name__


def _check(path: Path) -> None:
    """Refuse what SimpleITK would read in silence: compressed voxels with a wrong checksum, unknown spaces."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    nrrd = data.startswith(b"NRRD")
    header, voxels = _parts(data, nrrd)
    detached = _detached(path, header)
    if detached is not None:
        if not detached.is_file():
            raise DataError(f"{path}: its voxels are to be in {detached}, which is missing; put it there")
        voxels = detached.read_bytes()
    space = _SPACE.search(header) if nrrd else None
    if space and space.group(1).decode(errors="replace").lower() not in _SPACES:
        raise DataError(f"{path}: space {space.group(1).decode(errors='replace')!r} is none that says left and right")
    try:
        if nrrd and re.search(rb"^encoding: *gz", header, re.MULTILINE):
            gzip.decompress(voxels)
        elif not nrrd and re.search(rb"^CompressedData *= *True", header, re.MULTILINE | re.IGNORECASE):
            stream = zlib.decompressobj(47)  # zlib or gzip
            stream.decompress(voxels)
            if not stream.eof:
                raise EOFError("the compressed voxels end too early")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read (damaged: {error}); copy or export it again") from error


def detached_voxels(path: Path) -> Path | None:
    """The file beside a header that holds its voxels, if it names one."""
    data = path.read_bytes()
    return _detached(path, _parts(data, data.startswith(b"NRRD"))[0])


def _detached(path: Path, header: bytes) -> Path | None:
    named = _DATA_FILE.search(header)
    name = named.group(1).decode(errors="replace") if named else "LOCAL"
    return None if name.upper() == "LOCAL" or name.startswith("LIST") or "%" in name else path.parent / name


def _parts(data: bytes, nrrd: bool) -> tuple[bytes, bytes]:
    if nrrd:
        end = re.search(rb"\r?\n\r?\n", data)
        return (data[: end.start()], data[end.end() :]) if end else (data, b"")
    named = _DATA_FILE.search(data)
    if named is None:
        return data, b""
    end_of_line = data.find(b"\n", named.start())
    return (data, b"") if end_of_line < 0 else (data[: end_of_line + 1], data[end_of_line + 1 :])
