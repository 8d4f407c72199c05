"""Photographs by Pillow: as they are shown, not as the camera was held."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from dvpt_monai.errors import DataError
from dvpt_monai.formats.image import Image
from dvpt_monai.whole_file import whole_file

__all__ = ["load_photograph", "read_photograph", "write_png"]

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "I;16", "I;16B", "I;16L", "F")
_TO_RGB = ("CMYK", "YCbCr", "RGBX", "La", "RGBa")
_ORIENTATION = 0x0112


def read_photograph(path: str | os.PathLike[str], page: int | None = None) -> Image:
    """Read PNG, JPEG, TIFF, BMP or WebP as rows and columns, upright where EXIF says how it is to be turned.

    Values stay as stored: the indices of a palette, whose colours are in the header, 0 and 1 of a bitmap, 16 bits,
    numbers of a float TIFF. Colours of printing (CMYK) and of video (YCbCr) become RGB. An alpha channel stays.

    Args:
        path: the file.
        page: which page of a file of several, from 0 on.

    Raises:
        DataError: on a file that is missing, damaged, or of several pages while ``page`` does not say which.
    """
    image = load_photograph(path, page)
    array = np.asarray(image)
    header = {
        "format": image.format,
        "mode": image.mode,
        "width": image.width,
        "height": image.height,
        "exif_orientation": image.info["exif_orientation"],
        "stored_mode": image.info["stored_mode"],
        "pages": image.info["pages"],
    }
    if image.mode in ("P", "PA"):
        header["palette"] = image.getpalette("RGB")
    return Image(array, array.ndim == 3, None, "photograph", str(path), header)


def load_photograph(path: str | os.PathLike[str], page: int | None = None) -> Pillow.Image:
    """The file as Pillow has it, upright, once it is whole; arguments and errors are those of `read_photograph`."""
    try:
        # Out of memory, not out of the file: Pillow 13 maps one that is uncompressed, with the sides of a turned TIFF
        # exchanged.
        with Pillow.open(io.BytesIO(Path(path).read_bytes())) as file:
            pages = getattr(file, "n_frames", 1)
            kind, stored = file.format, file.mode
            if page is not None and not 0 <= page < pages:
                raise DataError(f"{path}: no page {page} among {pages}")
            if page is None and pages > 1:
                raise DataError(f"{path}: {pages} pages, of which one is wanted; save it alone, or set page")
            file.seek(page or 0)
            orientation = int(file.getexif().get(_ORIENTATION, 1))
            file.load()
            image = ImageOps.exif_transpose(file)  # a TIFF is upright by now, and says so
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: cannot be read (no image that Pillow knows); save it as PNG") from error
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except Exception as error:  # damaged files make Pillow raise OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(f"{path}: cannot be read ({error}); copy or export it again") from error
    if image.mode in _TO_RGB:
        image = image.convert("RGB")
    if image.mode not in _MODES:
        raise DataError(f"{path}: its colours are {image.mode}; save it as RGB")
    image.format = kind
    image.info |= {"exif_orientation": orientation, "stored_mode": stored, "pages": pages}
    return image


def write_png(path: str | os.PathLike[str], labels: NDArray[Any]) -> None:
    """Write labels of 8 or 16 bits as rows and columns, whole or not at all.

    Raises:
        DataError: where they do not fit.
    """
    if labels.ndim != 2 or labels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path}: a PNG holds rows and columns of 0 to 65535, not {labels.shape} of {labels.dtype}")
    with whole_file(path) as part:
        Pillow.fromarray(labels).save(part, format="PNG")
