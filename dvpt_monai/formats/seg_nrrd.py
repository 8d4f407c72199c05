"""3D Slicer's segmentations (.seg.nrrd): segments by name, with labels, layers and colours."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats.grid import ras
from dvpt_monai.formats.itk import read_itk
from dvpt_monai.formats.segmentation import COLOURS, Segmentation
from dvpt_monai.whole_file import whole_file

__all__ = ["has_layers", "read_seg_nrrd", "segment_names", "write_seg_nrrd"]


def read_seg_nrrd(path: str | os.PathLike[str]) -> Segmentation:
    """Read the segments of a ``.seg.nrrd``; each is one label in one layer.

    The grid may be a part of the image's: 3D Slicer cuts off what is empty.

    Raises:
        DataError: on a damaged file, or one that names no segment, two alike, or one in a layer that it has not.
    """
    image = read_itk(path)
    layers = image.array if image.channels else image.array[..., None]
    masks: dict[str, NDArray[np.bool_]] = {}
    values: dict[str, int] = {}
    colours: dict[str, tuple[float, float, float]] = {}
    for number, segment in _segments(image.header).items():
        name = segment.get("Name", f"Segment_{number}")
        value, layer = _whole(segment, "LabelValue", 1, path), _whole(segment, "Layer", 0, path)
        if name in masks:
            raise DataError(f"{path}: two segments are called {name!r}; rename one in 3D Slicer")
        if not 0 <= layer < layers.shape[-1]:
            raise DataError(f"{path}: segment {name!r} is in layer {layer} of {layers.shape[-1]}; save it again")
        masks[name] = layers[..., layer] == value
        values[name] = value
        colour = [float(part) for part in segment.get("Color", "").split() if re.fullmatch(r"[\d.eE+-]+", part)]
        if len(colour) == 3:
            colours[name] = (colour[0], colour[1], colour[2])
    if not masks:
        raise DataError(f"{path}: it names no segments; save a label map as .nrrd, or the segmentation by 3D Slicer")
    assert image.affine is not None  # only pictures have none
    return Segmentation(masks, image.affine, str(path), values, colours)


def segment_names(path: str | os.PathLike[str]) -> list[str]:
    """The names of the segments in a ``.seg.nrrd``, out of its header alone.

    Raises:
        DataError: it cannot be read, or names none.
    """
    names = _of_segments(path, "Name")
    if not names:
        raise DataError(f"{path}: it names no segments; save a label map as .nrrd, or the segmentation by 3D Slicer")
    return [names[number] for number in sorted(names)]


def has_layers(path: str | os.PathLike[str]) -> bool:
    """Whether the segments of a ``.seg.nrrd`` are in several layers, without which none overlaps another."""
    return len({*_of_segments(path, "Layer").values()}) > 1


def _of_segments(path: str | os.PathLike[str], key: str) -> dict[int, str]:
    """What the header says of each segment by its number, read alone."""
    header = []
    try:
        with open(path, "rb") as file:
            for line in file:
                if not line.strip():
                    break
                header.append(line.decode("utf-8", "replace").strip())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    found = [re.fullmatch(rf"Segment(\d+)_{key}:=(.*)", line) for line in header]
    return {int(match[1]): match[2] for match in found if match}


def write_seg_nrrd(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    affine: NDArray[np.float64],
    structures: Mapping[str, int] | Sequence[str],
    colours: Sequence[tuple[float, float, float]] = COLOURS,
) -> None:
    """Write structures as 3D Slicer does, whole or not at all.

    Args:
        path: ends in ``.seg.nrrd``.
        labels: (X, Y, Z), a number for each structure, or (X, Y, Z, structures) of 0 and 1, which may overlap and
            become a layer each.
        affine: from indices to RAS in mm.
        structures: the number of each name in the labels, or names: 1 is the first.
        colours: red, green and blue from 0 to 1 of each structure, from the start again where there are more.
    """
    layered = labels.ndim == 4
    if not isinstance(structures, Mapping):
        structures = {name: number for number, name in enumerate(structures, 1)}
    lps = ras(affine)
    directions = [_numbers(column) for column in lps[:3, :3].T]
    sizes = [*([str(labels.shape[3])] if layered else []), *map(str, labels.shape[:3])]
    ends = " ".join(f"0 {length - 1}" for length in labels.shape[:3])
    lines = [
        "NRRD0004",
        f"type: {labels.dtype.name}",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(sizes)}",
        f"space directions: {' '.join(['none', *directions] if layered else directions)}",
        f"kinds: {'list domain domain domain' if layered else 'domain domain domain'}",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_numbers(lps[:3, 3])}",
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
    ]
    for number, (name, value) in enumerate(structures.items()):
        colour = " ".join(f"{part:g}" for part in colours[number % len(colours)])
        lines += [
            f"Segment{number}_ID:=Segment_{number + 1}",
            f"Segment{number}_Name:={name}",
            f"Segment{number}_NameAutoGenerated:=0",
            f"Segment{number}_Color:={colour}",
            f"Segment{number}_ColorAutoGenerated:=0",
            f"Segment{number}_LabelValue:={1 if layered else value}",
            f"Segment{number}_Layer:={number if layered else 0}",
            f"Segment{number}_Extent:={ends}",
        ]
    voxels = labels.transpose(2, 1, 0, *range(3, labels.ndim))  # the first axis changes fastest
    data = np.ascontiguousarray(voxels.astype(labels.dtype.newbyteorder("<"))).tobytes()
    with whole_file(path) as part:
        part.write_bytes("\n".join([*lines, "", ""]).encode() + gzip.compress(data, 6, mtime=0))


def _segments(header: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """What the header says of each segment."""
    segments: dict[int, dict[str, str]] = {}
    for key, text in header.items():
        if match := re.fullmatch(r"Segment(\d+)_(\w+)", key):
            segments.setdefault(int(match.group(1)), {})[match.group(2)] = str(text)
    return dict(sorted(segments.items()))


def _whole(segment: Mapping[str, str], key: str, default: int, path: str | os.PathLike[str]) -> int:
    try:
        return int(segment.get(key, default))
    except ValueError as error:
        raise DataError(f"{path}: {key} {segment[key]!r} is no whole number; save it again by 3D Slicer") from error


def _numbers(vector: NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(part)) for part in vector)})"
