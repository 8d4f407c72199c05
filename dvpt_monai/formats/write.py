"""Labels back on the grid and in the format of their image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError, did_you_mean
from dvpt_monai.formats.dicom_seg import write_dicom_seg
from dvpt_monai.formats.itk import write_itk
from dvpt_monai.formats.nifti import write_nifti
from dvpt_monai.formats.photographs import write_png
from dvpt_monai.formats.read import format_of
from dvpt_monai.formats.seg_nrrd import write_seg_nrrd
from dvpt_monai.formats.series import series_of

__all__ = ["OUTPUTS", "smallest", "suffix_for", "write_labels"]

OUTPUTS = {"nifti": ".nii.gz", "seg-nrrd": ".seg.nrrd", "nrrd": ".nrrd", "mha": ".mha", "png": ".png"}
OUTPUTS |= {"dicom-seg": ".dcm"}
"""The suffix of each format of labels."""

_SAME = {
    "nifti": "nifti",
    "nrrd": "seg-nrrd",
    "segmentation": "seg-nrrd",
    "metaimage": "mha",
    "photograph": "png",
    "dicom": "seg-nrrd",
    "dicom-seg": "dicom-seg",
}


def suffix_for(source: str | os.PathLike[str], output_format: str | None = None) -> str:
    """The suffix that the labels of an image get.

    Args:
        source: the image; a single DICOM picture gets a PNG.
        output_format: one of `OUTPUTS`; by default the one that is the image's own or nearest to it.

    Example:
        >>> suffix_for("a.nii"), suffix_for("a.nrrd"), suffix_for("a.jpg"), suffix_for("a.nrrd", "nifti")
        ('.nii', '.seg.nrrd', '.png', '.nii.gz')
    """
    if output_format is not None:
        if output_format not in OUTPUTS:
            meant = did_you_mean(output_format, OUTPUTS)
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise DataError(f"output_format={output_format!r} is none of {', '.join(OUTPUTS)}{hint}")
        return OUTPUTS[output_format]
    kind = format_of(source)
    if kind is None:
        raise DataError(f"{source}: its format is unknown, so that of its labels, too; set output_format")
    if kind == "dicom" and not os.path.isdir(source):
        return OUTPUTS["png"]
    return ".nii" if str(source).lower().endswith(".nii") else OUTPUTS[_SAME[kind]]


def smallest(labels: NDArray[Any], source: str) -> NDArray[Any]:
    """Labels in the smallest type of whole numbers that holds them all.

    Raises:
        DataError: on NaN, infinity and fractions.

    Example:
        >>> smallest(np.array([0.0, 300.0]), "a").dtype, smallest(np.array([-1, 2]), "a").dtype
        (dtype('uint16'), dtype('int8'))
    """
    with np.errstate(invalid="ignore"):
        if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.rint(labels))).all():
            raise DataError(f"{source}: labels that are no whole numbers cannot be written")
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    types = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int8, np.int16, np.int32)
    for each in types:
        if np.iinfo(each).min <= low and high <= np.iinfo(each).max:
            return labels.astype(each)
    raise DataError(f"{source}: labels from {low} to {high} fit into no format of masks")


def write_labels(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    affine: NDArray[np.float64] | None,
    source: str | os.PathLike[str],
    structures: dict[str, int] | None = None,
    colours: Sequence[tuple[float, float, float]] | None = None,
) -> None:
    """Write labels in the format that the suffix of ``path`` says, whole or not at all.

    Args:
        path: where to.
        labels: spatial axes of `Image.array`; 0 and 1 of each structure as last axis where they overlap.
        affine: from indices to RAS in mm; pictures need none.
        source: the image, whose series a DICOM SEG refers to.
        structures: the number of each name in the labels; named formats need it.
        colours: of the structures.

    Raises:
        DataError: on what the format does not hold.
    """
    name = str(path)
    labels = smallest(labels, name)
    if name.endswith(".png"):
        write_png(path, labels)
        return
    if affine is None:
        raise DataError(f"{path}: labels of a picture lie nowhere; write them as PNG")
    channels = structures is not None and labels.ndim > len(labels.shape[:3])
    named = structures or {str(value): int(value) for value in np.unique(labels) if value}
    if name.endswith(".seg.nrrd"):
        volume = labels if labels.ndim >= 3 else labels[..., None]
        write_seg_nrrd(path, volume, affine, named, **({"colours": colours} if colours else {}))
    elif name.endswith((".nii", ".nii.gz")):
        write_nifti(path, labels, affine)
    elif name.endswith((".nrrd", ".mha")):
        write_itk(path, labels, affine, channels)
    elif name.endswith(".dcm"):
        write_dicom_seg(path, labels, series_of(source), named)
    else:
        raise DataError(f"{path}: labels are written as {', '.join(OUTPUTS.values())}")
