"""A series of DICOM files as one volume: in the order of their places, and only where they make one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats.dicom import Header, is_dicom, is_dicom_seg, numbers, pixels, read_header
from dvpt_monai.formats.grid import check_affine, ras
from dvpt_monai.formats.image import Image

__all__ = ["read_series", "series_files", "series_of"]

Vector = NDArray[np.float64]
_UNEVEN = 0.1
"""Share of the distance of two slices by which one may stand off its place."""
_ALIKE = {"Rows": "rows", "Columns": "columns", "PhotometricInterpretation": "colours"}


def read_series(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Image:
    """Read the files of one series as a volume, ordered by their places along the normal of the slices.

    Slope and intercept are those of each slice. What else the folder holds than DICOM is passed over.

    Args:
        source: a folder, or the files.

    Raises:
        DataError: names the files: of several series, a missing slice, two at one place, another size, orientation or
            spacing than the rest, slices shifted against each other (a tilted gantry).
    """
    files = series_files(source) if isinstance(source, (str, os.PathLike)) else [Path(path) for path in source]
    name = str(source) if isinstance(source, (str, os.PathLike)) else str(files[0])
    headers = {path: read_header(path) for path in files}
    _one_series(headers, name)
    ordered, affine = _ordered(headers)
    slices = [pixels(path, headers[path]) for path in ordered]
    volume = np.stack(slices, axis=2)  # (rows, columns, slices) or with colours behind
    volume = np.ascontiguousarray(volume.swapaxes(0, 1))
    check_affine(affine, volume.shape[:3], name)
    header = {**headers[ordered[0]], "files": [str(path) for path in ordered]}
    return Image(volume, volume.ndim == 4, affine, "dicom", name, header)


def series_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The slices in a folder, by name: its files of DICOM but segmentations; folders below are not searched.

    Raises:
        DataError: where there are none.
    """
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: no such folder")
    hidden = (path for path in sorted(Path(folder).iterdir()) if not path.name.startswith("."))
    files = [path for path in hidden if is_dicom(path)]
    files = [path for path in files if not is_dicom_seg(path)]
    if not files:
        raise DataError(f"{folder}: no DICOM files; folders below are not searched")
    return files


def series_of(path: str | os.PathLike[str]) -> list[Path]:
    """The files of a folder, or those beside a file that are of its series."""
    if Path(path).is_dir():
        return series_files(path)
    series = read_header(path).get("SeriesInstanceUID")
    return [file for file in series_files(Path(path).parent) if read_header(file).get("SeriesInstanceUID") == series]


def _one_series(headers: dict[Path, Header], name: str) -> None:
    first: dict[str, Path] = {}
    for path, header in headers.items():
        first.setdefault(header.get("SeriesInstanceUID", ""), path)
    if len(first) > 1:
        counts = Counter(header.get("SeriesInstanceUID", "") for header in headers.values())
        each = "; ".join(
            f"{counts[uid]} files like {path.name} ({headers[path].get('SeriesDescription') or uid})"
            for uid, path in first.items()
        )
        raise DataError(f"{name}: {len(first)} series: {each}; put each into a folder of its own")
    for tag, word in _ALIKE.items():
        _alike({path: header.get(tag, "") for path, header in headers.items()}, word)


def _alike(values: dict[Path, str], word: str) -> None:
    usual = Counter(values.values()).most_common(1)[0][0]
    others = [path for path, value in values.items() if value != usual]
    if others:
        raise DataError(
            f"{_names(others)}: {word} {values[others[0]] or 'missing'}, where the other slices have "
            f"{usual or 'none'}; take out what is no slice of the volume"
        )


def _ordered(headers: dict[Path, Header]) -> tuple[list[Path], Vector]:
    """The files by place, and the affine of their grid in RAS."""
    places = {path: _vector(path, header, "ImagePositionPatient", 3) for path, header in headers.items()}
    turns = {path: _vector(path, header, "ImageOrientationPatient", 6) for path, header in headers.items()}
    spacings = {path: _vector(path, header, "PixelSpacing", 2) for path, header in headers.items()}
    turn = _common(turns, 1e-3, "orientation")
    row, column = turn[:3], turn[3:]  # along a row, and down a column
    if abs(float(row @ column)) > 1e-3 or abs(float(row @ row) - 1) > 1e-2 or abs(float(column @ column) - 1) > 1e-2:
        raise DataError(f"{next(iter(headers))}: orientation {turn.tolist()} is no pair of directions at a right angle")
    spacing = _common(spacings, 1e-4, "spacing")
    row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    normal = np.cross(row, column)
    ordered = sorted(places, key=lambda path: float(places[path] @ normal))
    heights = np.array([places[path] @ normal for path in ordered])
    step = normal * _distance(ordered, heights, headers)
    drift = places[ordered[-1]] - places[ordered[0]] - normal * (heights[-1] - heights[0])
    shifts = [places[path] - places[ordered[0]] for path in ordered]
    sideways = max(float(np.linalg.norm(shift - normal * (shift @ normal))) for shift in shifts)
    if sideways > max(0.1 * float(spacing.min()), 1e-3):
        angle = np.degrees(np.arctan2(np.linalg.norm(drift), max(float(heights[-1] - heights[0]), 1e-9)))
        raise DataError(
            f"{ordered[0]}: its slices are shifted by up to {sideways:.3g} mm against each other (a gantry tilted by "
            f"{angle:.1f} degrees?); resample the series to an upright grid, for example by 3D Slicer"
        )
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * spacing[1], column * spacing[0], step
    affine[:3, 3] = places[ordered[0]]
    return ordered, ras(affine)


def _distance(ordered: list[Path], heights: Vector, headers: dict[Path, Header]) -> float:
    """The distance of the slices in mm, if it is one."""
    if len(ordered) == 1:
        thickness = numbers(headers[ordered[0]], "SliceThickness")
        if not thickness or thickness[0] <= 0:
            raise DataError(f"{ordered[0]}: one slice without a thickness is no volume; add the others")
        return thickness[0]
    gaps = np.diff(heights)
    for below, above, gap in zip(ordered, ordered[1:], gaps, strict=False):
        if gap < 1e-3:
            raise DataError(f"{below.name} and {above.name} of {below.parent} are at one place; keep one of them")
    usual = float(np.median(gaps))
    for below, above, gap in zip(ordered, ordered[1:], gaps, strict=False):
        if gap > 1.5 * usual:
            missing = round(gap / usual) - 1
            raise DataError(
                f"{below.name} and {above.name} of {below.parent} are {gap:.3g} mm apart, the other slices "
                f"{usual:.3g}: {missing or 1} between them missing; complete the series"
            )
    step = float(heights[-1] - heights[0]) / (len(ordered) - 1)
    off = np.abs(heights - heights[0] - step * np.arange(len(ordered)))
    if off.max() > _UNEVEN * step:
        raise DataError(
            f"{ordered[int(off.argmax())]}: {off.max():.3g} mm off its place between slices {step:.3g} mm apart; "
            "resample the series to even distances"
        )
    return step


def _vector(path: Path, header: Header, name: str, length: int) -> Vector:
    values = numbers(header, name)
    if len(values) != length or not np.isfinite(values).all():
        raise DataError(f"{path}: no {name} of {length} numbers, so its place is unknown; take it out of the series")
    return np.array(values)


def _common(values: dict[Path, Vector], allowed: float, word: str) -> Vector:
    """What nearly all have; the rest is an error."""
    (rounded, _), *_ = Counter(tuple(np.round(value, 4)) for value in values.values()).most_common(1)
    usual = next(value for value in values.values() if tuple(np.round(value, 4)) == rounded)
    others = [path for path, value in values.items() if np.abs(value - usual).max() > allowed]
    if others:
        raise DataError(
            f"{_names(others)}: {word} {values[others[0]].tolist()}, where the other slices have {usual.tolist()}; "
            "take out what is no slice of the volume"
        )
    return usual


def _names(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{', '.join(str(path) for path in paths[:3])}{more}"
