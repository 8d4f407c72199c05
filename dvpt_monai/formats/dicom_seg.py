"""DICOM segmentations by highdicom, which the extra `dicom` installs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats.grid import ras
from dvpt_monai.formats.segmentation import COLOURS, Segmentation
from dvpt_monai.formats.series import read_series
from dvpt_monai.whole_file import whole_file

__all__ = ["read_dicom_seg", "write_dicom_seg"]

NEEDED = (
    *("SegmentSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "FrameOfReferenceUID"),
    *("DimensionIndexSequence", "StudyInstanceUID", "SeriesInstanceUID"),
)
"""What a segmentation must have to be read."""
OF_IMAGES = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID", "SOPClassUID")
"""What the images must have that one refers to."""
AGAIN = "export it again from the series that it was drawn on, or save the structures as .seg.nrrd or NIfTI"


def read_dicom_seg(path: str | os.PathLike[str]) -> Segmentation:
    """Read the segments of a DICOM SEG; its grid may be a part of the image's.

    Raises:
        DataError: without the extra `dicom`, on a damaged file, two segments of one name, or no regular grid.
    """
    highdicom = _highdicom(str(path))
    try:
        segmentation = highdicom.seg.segread(os.fspath(path))
        volume = segmentation.get_volume(combine_segments=False, rescale_fractional=True, allow_missing_positions=True)
    except Exception as error:  # whatever highdicom and pydicom stumble over
        wrong = _wrong(path, error)
        raise DataError(f"{path}: no DICOM SEG on a regular grid, or a damaged one: {wrong}; {AGAIN}") from error
    if not segmentation.get("FrameOfReferenceUID"):
        raise DataError(f"{path}: it has no FrameOfReferenceUID, so that nobody knows where it lies; {AGAIN}")
    masks: dict[str, NDArray[np.bool_]] = {}
    values: dict[str, int] = {}
    array = np.asarray(volume.array)  # (slices, rows, columns, segments)
    for channel, number in enumerate(segmentation.segment_numbers):
        name = str(segmentation.get_segment_description(number).segment_label)
        if name in masks:
            raise DataError(f"{path}: two segments are called {name!r}; rename one")
        masks[name] = np.ascontiguousarray(array[..., channel].transpose(2, 1, 0) > 0.5)
        values[name] = int(number)
    affine = np.asarray(volume.affine, np.float64)[:, [2, 1, 0, 3]]
    return Segmentation(masks, ras(affine), str(path), values)


def write_dicom_seg(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    series: Sequence[str | os.PathLike[str]],
    structures: Mapping[str, int] | Sequence[str],
    algorithm: str = "dvpt_monai",
) -> None:
    """Write structures as a DICOM SEG that refers to the series that they were drawn on, whole or not at all.

    Args:
        path: ends in ``.dcm``.
        labels: (X, Y, Z) on the grid of the series as `read_series` gives it, a number for each structure; or
            (X, Y, Z, structures) of 0 and 1.
        series: the files of the series, or its folder.
        structures: the number of each name in the labels, or names: 1 is the first.
        algorithm: the name of what drew them.

    Raises:
        DataError: without the extra `dicom`, on labels of another shape than the series, or a series that nothing can
            refer to.
    """
    highdicom = _highdicom(str(path))
    import pydicom
    from pydicom.sr.codedict import codes

    source = read_series(series)
    if labels.shape[:3] != source.shape:
        raise DataError(f"{path}: labels of shape {labels.shape[:3]} for a series of {source.shape}; write the whole")
    if not isinstance(structures, Mapping):
        structures = {name: number for number, name in enumerate(structures, 1)}
    if labels.ndim == 3:
        labels = np.stack([labels == value for value in structures.values()], axis=-1)
    masks = np.ascontiguousarray(labels.transpose(2, 1, 0, 3).astype(np.uint8))  # (slices, rows, columns, segments)
    drawn_by = highdicom.AlgorithmIdentificationSequence(
        name=algorithm, version="1", family=codes.DCM.ArtificialIntelligence
    )
    descriptions = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.AnatomicalStructure,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=drawn_by,
            display_color=highdicom.color.CIELabColor.from_rgb(
                *(round(255 * part) for part in COLOURS[(number - 1) % len(COLOURS)])
            ),
        )
        for number, name in enumerate(structures, 1)
    ]
    images = [pydicom.dcmread(file) for file in source.header["files"]]
    lacking = [name for name in OF_IMAGES if not images[0].get(name)]
    if lacking:
        raise DataError(
            f"{source.source}: its files have no {lacking[0]}, by which a DICOM SEG refers to them; write another "
            "format (--output-format seg-nrrd), or export the series again"
        )
    if source.spacing is not None:  # some headers have another than their positions, and readers would believe it
        for image in images:
            image.SpacingBetweenSlices = f"{source.spacing[2]:.6g}"
    segmentation = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=masks,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=highdicom.UID(),
        series_number=1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="dvpt_monai",
        manufacturer_model_name=algorithm,
        software_versions="1",
        device_serial_number="0",
        series_description=f"Segmentation by {algorithm}",
    )
    with whole_file(path) as part:
        segmentation.save_as(part)


def _highdicom(name: str) -> ModuleType:
    try:
        import highdicom
    except ImportError as error:
        raise DataError(f"{name}: DICOM SEG needs the extra: pip install 'dvpt_monai[dicom]'") from error
    return highdicom


def _wrong(path: str | os.PathLike[str], error: Exception) -> str:
    """What a segmentation lacks, by the names of DICOM; else the first line of the error of another package."""
    import pydicom

    try:
        known = pydicom.dcmread(path, specific_tags=[*NEEDED])
    except Exception:
        known = None
    lacking = [] if known is None else [name for name in NEEDED if not known.get(name)]
    if lacking:
        return f"it has no {lacking[0]}"
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
