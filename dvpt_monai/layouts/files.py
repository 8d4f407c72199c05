"""Which files are images, and what of their names remains without suffixes."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from pathlib import Path

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.formats import files_below
from dvpt_monai.formats.dicom import read_header

__all__ = ["FOREIGN", "folders_in", "images_below", "images_in", "is_image", "nothing_here", "stem_of"]

FOREIGN = {
    ".npz": "write the arrays as PNG or NIfTI files first",
    ".npy": "write the arrays as PNG or NIfTI files first",
    ".mat": "write the arrays as PNG or NIfTI files first",
    ".h5": "write the arrays as PNG or NIfTI files first",
    ".zip": "unpack it first",
    ".tar": "unpack it first",
    ".7z": "unpack it first",
    ".svs": "save regions of the slide as PNG or TIFF first",
}
"""Files that look like data but are not read, and what to do."""


def is_image(path: Path) -> bool:
    """Whether a file is an image, by its name, or by its first bytes where that has no suffix; hidden files are none.

    Example:
        >>> is_image(Path("a.PNG")), is_image(Path("._a.nii.gz")), is_image(Path("a.txt"))
        (True, False, False)
    """
    name = path.name.lower()
    if name.startswith(".") or name == "dicomdir":
        return False
    if name.endswith(tuple(formats.SUFFIXES)):
        return True
    suffix = path.suffix
    return (not suffix or suffix[1:].isdigit()) and formats.format_of(path) in ("dicom", "dicom-seg")


def stem_of(path: Path) -> str:
    """A file's name without its suffixes.

    Example:
        >>> stem_of(Path("case.1.nii.gz")), stem_of(Path("eye.jpg")), stem_of(Path("1.2.840.7"))
        ('case.1', 'eye', '1.2.840.7')
    """
    return formats.name_of(path)


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones."""
    found = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith((".", "__")))


def images_in(folder: Path) -> list[Path]:
    """The images right in a folder, by name; a folder of the slices of a DICOM series is one image of its own.

    Of a folder that is such a series itself, these are the folder, and masks or volumes beside its slices.
    """
    if is_series(folder):
        return [folder, *_beside_slices(folder)]
    files = sorted(path for path in folder.iterdir() if path.is_file() and is_image(path))
    return [*files, *(inside for inside in folders_in(folder) if is_series(inside))]


def images_below(folder: Path) -> list[Path]:
    """Every image in a folder and the folders in it, by name; a folder of a DICOM series counts as one image."""
    series = {place for place in {path.parent for path in files_below(folder)} if is_series(place)}
    files = {path for path in files_below(folder) if path.parent not in series and is_image(path)}
    return sorted({*files, *series, *(path for place in series for path in _beside_slices(place))})


def is_series(folder: Path) -> bool:
    """Whether a folder holds the slices of a DICOM series: the first two files are of one, at different places."""
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return False
    return _is_series(folder, changed)


@lru_cache(maxsize=10_000)
def _is_series(folder: Path, _changed: int) -> bool:
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and is_image(path))
    first = [*islice((path for path in files if formats.format_of(path) in ("dicom", "photograph")), 2)]
    if len(first) < 2 or any(formats.format_of(path) != "dicom" for path in first):
        return False
    try:
        one, other = map(read_header, first)
    except DataError:
        return False
    alike = one.get("SeriesInstanceUID") == other.get("SeriesInstanceUID") not in (None, "")
    places = [header.get("ImagePositionPatient", "").strip() for header in (one, other)]
    return alike and all(places) and places[0] != places[1]


def _beside_slices(folder: Path) -> tuple[Path, ...]:
    """Volumes and segmentations among the slices of a series; pictures, which may show it, are none of the data."""
    return _not_slices(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=10_000)
def _not_slices(folder: Path, _changed: int) -> tuple[Path, ...]:
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and is_image(path))
    return tuple(path for path in files if formats.format_of(path) not in ("dicom", "photograph"))


def nothing_here(folder: Path) -> DataError:
    """The error that a folder holds no image, with the remedy for what it holds instead."""
    suffixes = {path.suffix.lower() for path in files_below(folder)}
    remedy = next((remedy for suffix, remedy in FOREIGN.items() if suffix in suffixes), "")
    wanted = ", ".join(formats.SUFFIXES)
    return DataError(f"{folder}: no images here ({wanted}); {remedy or 'give the folder that holds them as --data'}")
