"""MONAI's loading of images, with an error that names the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from monai.data import ImageReader
from monai.transforms import LoadImaged as MonaiLoadImaged

from dvpt_monai.errors import DataError

__all__ = ["LoadImaged"]


class LoadImaged(MonaiLoadImaged):
    """Load images, or say which file is missing or damaged.

    What MONAI's own raises depends on the reader, and mostly names no file. Arguments are MONAI's.

    The metadata's ``spatial_shape`` is that of the array: MONAI's ``PILReader`` writes the width first even where the
    rows come first, and MONAI Label makes oblong predictions square by that.

    Raises:
        DataError: an image cannot be loaded.

    Example:
        >>> LoadImaged("image")({"image": "/photographs/gone.png"})
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: image '/photographs/gone.png': no such file
    """

    def __call__(self, data: Mapping[Any, Any], reader: ImageReader | None = None) -> dict[Any, Any]:
        """Load the images of a case."""
        case = dict(data)
        for key in self.key_iterator(case):
            if isinstance(case[key], (str, os.PathLike)) and not (case[key] and os.path.exists(case[key])):
                raise DataError(f"{key} {str(case[key])!r}: no such file")
        try:
            loaded = super().__call__(case, reader)
        except Exception as error:  # that of any reader
            files = ", ".join(f"{key} {case[key]}" for key in self.key_iterator(case))
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
            raise DataError(f"{files}: cannot be read ({reason}); is it whole, and of the kind it seems?") from error
        for key in self.key_iterator(loaded):
            meta = getattr(loaded[key], "meta", {})
            size = meta.get("height"), meta.get("width")  # of Pillow's images
            if tuple(loaded[key].shape[:2]) == size:
                meta["spatial_shape"] = np.asarray(size)
        return loaded
