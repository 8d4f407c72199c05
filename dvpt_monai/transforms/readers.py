"""What `LoadImaged` reads with: every format, or MONAI's readers after the bytes were checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.data import ImageReader, NibabelReader, PILReader
from monai.utils import ensure_tuple
from numpy.typing import NDArray

from dvpt_monai import formats
from dvpt_monai.formats.grid import check_spacing
from dvpt_monai.formats.nifti import load_nifti
from dvpt_monai.formats.photographs import load_photograph

__all__ = ["CheckedNibabelReader", "CheckedPILReader", "FormatReader"]

_OF_PICTURES = ("format", "mode", "width", "height")


class FormatReader(ImageReader):
    """Read any format of `dvpt_monai.formats`, with the metadata that MONAI's transforms need.

    Args:
        reverse_indexing: whether pictures have their columns first, as MONAI's readers of pictures by default.
        page: of files of several pages.
        window: whether to scale the window that a single DICOM file names to 0 to 255.
        structures: what the labels 1, 2, ... shall be of segmentations that have names.
        overlapping: whether these become a channel for each structure.

    Example:
        >>> import nibabel, tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     nibabel.save(nibabel.Nifti1Image(np.zeros((2, 3, 4)), np.diag([1.0, 2, 3, 1])), f"{home}/a.nii")
        ...     reader = FormatReader()
        ...     array, meta = reader.get_data(reader.read(f"{home}/a.nii"))
        >>> array.shape, meta["affine"].diagonal().tolist()
        ((2, 3, 4), [1.0, 2.0, 3.0, 1.0])
    """

    def __init__(
        self,
        reverse_indexing: bool = False,
        page: int | None = None,
        window: bool = False,
        structures: Sequence[str] | None = None,
        overlapping: bool = False,
    ) -> None:
        super().__init__()
        self.reverse_indexing = reverse_indexing
        self.settings: dict[str, Any] = {
            "page": page,
            "window": window,
            "structures": structures,
            "overlapping": overlapping,
        }

    def verify_suffix(self, filename: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]) -> bool:
        """Whether these are files of a known format."""
        return all(formats.format_of(path) is not None for path in ensure_tuple(filename))

    def read(self, data: Sequence[str | os.PathLike[str]] | str | os.PathLike[str], **kwargs: Any) -> formats.Image:
        """Read a file, the folder or the files of a series, or files that become channels."""
        return formats.read(data, **{**self.settings, **kwargs})

    def get_data(self, img: formats.Image) -> tuple[NDArray[Any], dict[str, Any]]:
        """The pixels, and the metadata of MONAI's readers."""
        array = img.array.astype(img.array.dtype.newbyteorder("="), copy=False)
        meta: dict[str, Any] = {
            **_of_header(img),
            "original_channel_dim": -1 if img.channels else float("nan"),
            "cropped": img.format in ("segmentation", "dicom-seg"),
        }
        if img.affine is None:
            array = array.swapaxes(0, 1) if self.reverse_indexing else array
            meta["columns_first"] = self.reverse_indexing
        else:
            meta |= {"affine": img.affine.copy(), "original_affine": img.affine.copy(), "space": "RAS"}
        shape = array.shape[:-1] if img.channels else array.shape
        return array, {**meta, "spatial_shape": np.asarray(shape)}


class CheckedNibabelReader(NibabelReader):
    """MONAI's reader of NIfTI, which stays with nibabel's affine and reads a file to its checksum."""

    def read(self, data: Any, **kwargs: Any) -> Any:
        """Read one file or several."""
        self.filenames = ensure_tuple(data)
        images = []
        for name in self.filenames:
            if str(name).lower().endswith((".nii", ".nii.gz")):
                image = load_nifti(name)
                check_spacing(np.asarray(image.affine, np.float64), str(name))
            else:
                image = super().read(name, **kwargs)
            images.append(image)
        self.filenames = ensure_tuple(data)
        return images if len(images) > 1 else images[0]


class CheckedPILReader(PILReader):
    """MONAI's reader of pictures, which turns them upright and refuses damaged ones.

    Args:
        converter: changes what Pillow has read.
        reverse_indexing: whether columns come first.
        page: of files of several pages.
    """

    def __init__(
        self,
        converter: Callable[[Any], Any] | None = None,
        reverse_indexing: bool = True,
        page: int | None = None,
    ) -> None:
        super().__init__(converter, reverse_indexing)
        self.page = page

    def read(self, data: Any, **kwargs: Any) -> Any:
        """Read one file or several."""
        images = [load_photograph(name, kwargs.get("page", self.page)) for name in ensure_tuple(data)]
        if self.converter is not None:
            images = [self.converter(image) for image in images]
        return images if len(images) > 1 else images[0]


def _of_header(image: formats.Image) -> Mapping[str, Any]:
    """What of a file's header belongs to the metadata."""
    if image.format == "nifti":  # without its texts, which make no batch
        numbers = {name: value for name, value in image.header.items() if np.asarray(value).dtype.kind not in "SUO"}
        return {**numbers, "original_pixdim": np.array(image.header["pixdim"])}
    if image.format == "photograph":
        return {name: image.header[name] for name in _OF_PICTURES}
    if image.format == "dicom" and image.affine is None:
        return {"value_range": image.header["value_range"]}
    return {}
