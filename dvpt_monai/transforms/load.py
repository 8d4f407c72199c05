"""Loading of images in every format, with an error that names the file."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import DtypeLike, KeysCollection
from monai.data import ImageReader, NibabelReader, PILReader
from monai.transforms import LoadImaged as MonaiLoadImaged
from monai.utils import ensure_tuple

from dvpt_monai.errors import DataError
from dvpt_monai.transforms.readers import CheckedNibabelReader, CheckedPILReader, FormatReader

__all__ = ["LoadImaged"]

logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)

_READERS: dict[Any, type[ImageReader]] = {
    None: FormatReader,
    "NibabelReader": CheckedNibabelReader,
    "PILReader": CheckedPILReader,
    NibabelReader: CheckedNibabelReader,
    PILReader: CheckedPILReader,
}
_OF_MONAI = set(inspect.signature(MonaiLoadImaged.__init__).parameters)


class LoadImaged(MonaiLoadImaged):
    """Load images of any format, or say which file is missing, damaged or misleading.

    Without a reader: NIfTI, NRRD, MetaImage, the folder or the files of a DICOM series, single DICOM files, PNG, JPEG,
    TIFF and their like, segmentations of 3D Slicer and DICOM SEG, as `dvpt_monai.formats` reads them. Volumes have
    their affine in RAS; pictures have rows first. ``"NibabelReader"`` and ``"PILReader"`` give what MONAI's give, after
    the bytes were checked; any other reader is MONAI's affair.

    The metadata's ``spatial_shape`` is that of the array: MONAI's ``PILReader`` writes the width first even where the
    rows come first, and MONAI Label makes oblong predictions square by that.

    Args:
        keys: keys of the images.
        reader: as MONAI's.
        dtype: what the values become; ``None`` for what the file has.
        allow_nonfinite: whether NaN and infinite values may pass.
        settings: MONAI's arguments, and those of the reader: see `FormatReader`.

    Raises:
        DataError: an image cannot be loaded, or holds NaN or infinity; or ``allow_pickle`` is asked for.

    Example:
        >>> LoadImaged("image")({"image": "/photographs/gone.png"})
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: image '/photographs/gone.png': no such file
    """

    def __init__(
        self,
        keys: KeysCollection,
        reader: Any = None,
        dtype: DtypeLike = np.float32,
        *,
        allow_nonfinite: bool = False,
        **settings: Any,
    ) -> None:
        own = {name: settings.pop(name) for name in list(settings) if name not in _OF_MONAI}
        if own.get("allow_pickle"):
            raise DataError(
                "LoadImaged: allow_pickle would run code of the files that it reads; save them without objects"
            )
        kind = _READERS.get(reader) if reader is None or isinstance(reader, (str, type)) else None
        if kind is None:
            super().__init__(keys, reader, dtype, **{**settings, **own})
        else:
            with warnings.catch_warnings():  # where pydicom is installed, MONAI warns of a decoder nobody asked for
                warnings.simplefilter("ignore", UserWarning)
                super().__init__(keys, None, dtype, **settings)
        self.reader = None if kind is None else kind(**own)
        self.allow_nonfinite = allow_nonfinite

    def __call__(self, data: Mapping[Any, Any], reader: ImageReader | None = None) -> dict[Any, Any]:
        """Load the images of a case."""
        case = dict(data)
        for key in self.key_iterator(case):
            for path in _paths(case[key]):
                if not (path and os.path.exists(os.path.expanduser(path))):
                    raise DataError(f"{key} {str(path)!r}: no such file")
        try:
            loaded = super().__call__(case, reader or self.reader)
        except DataError as error:
            raise DataError(f"{self._key_of(case, str(error))}{error}") from error
        except Exception as error:  # that of any reader
            files = ", ".join(f"{key} {case[key]}" for key in self.key_iterator(case))
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
            raise DataError(f"{files}: cannot be read ({reason}); is it whole, and of the kind it seems?") from error
        for key in self.key_iterator(loaded):
            meta = getattr(loaded[key], "meta", {})
            size = meta.get("height"), meta.get("width")  # of Pillow's images
            if tuple(loaded[key].shape[:2]) == size:
                meta["spatial_shape"] = np.asarray(size)
            if not self.allow_nonfinite:
                _check_finite(loaded[key], f"{key} {case[key]}")
        return loaded

    def _key_of(self, case: Mapping[Any, Any], message: str) -> str:
        """The key whose file a message is about."""
        keys = [key for key in self.key_iterator(dict(case)) if any(str(path) in message for path in _paths(case[key]))]
        return f"{keys[0]} " if keys else ""


def _paths(source: Any) -> list[str | os.PathLike[str]]:
    return [path for path in ensure_tuple(source) if isinstance(path, (str, os.PathLike))]


def _check_finite(image: Any, name: str) -> None:
    values = torch.as_tensor(image)
    if values.dtype.is_floating_point and not bool(torch.isfinite(values.sum())):  # a sum of finite values may overflow
        wrong = int((~torch.isfinite(values)).sum())
        if wrong:
            raise DataError(
                f"{name}: {wrong} of {values.numel()} values are NaN or infinite; correct the file, or load it with "
                "allow_nonfinite=True and replace them"
            )
