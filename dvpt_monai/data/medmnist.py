"""Sets of MedMNIST: where they are on this machine, or from their official home."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from dvpt_monai.data import medmnist_sets
from dvpt_monai.data.download import download, md5_of_file
from dvpt_monai.data.find import IGNORED_START, cached_data, find_data, places
from dvpt_monai.data.medmnist_sets import MEDMNIST, md5_of, split_name, stem_of
from dvpt_monai.data.medmnist_unpack import unpack_medmnist
from dvpt_monai.errors import DataError

__all__ = ["fetch_medmnist", "find_medmnist", "medmnist_file", "medmnist_folder"]


def medmnist_folder(
    source: str | os.PathLike[str], size: int | None = None, out: str | os.PathLike[str] | None = None
) -> Path:
    """The folder of a set of MedMNIST with images and ``labels.csv``, which is found, else made of the set's file.

    The file is the one given, else one that is at hand, else it is downloaded into the cache.

    Args:
        source: the set, such as ``"retinamnist"``, or ``"retinamnist_224"``; or a file that ends in ``.npz``.
        size: in pixels: 28, 64, 128 or 224, in 3D 28 or 64; by default the size in the name, else 28.
        out: make a folder of the set's name in here; by default among the data sets in the cache.

    Raises:
        DataError: there is no such set, it cannot be downloaded, or its file is damaged.

    Example:
        >>> medmnist_folder("retinmnist")
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: MedMNIST has no set 'retinmnist'; did you mean retinamnist?
    """
    if str(source).endswith(".npz"):
        return unpack_medmnist(source, None if out is None else Path(out) / Path(source).stem)
    name = str(source)
    known = split_name(name)[0] in MEDMNIST
    stem = stem_of(name, size) if known or not _at_hand(name) else name
    if out is None:
        try:
            return find_data(stem)
        except DataError:  # not yet
            pass
    elif (Path(out) / stem / "labels.csv").is_file():
        return Path(out) / stem
    return unpack_medmnist(_at_hand(stem) or fetch_medmnist(stem), None if out is None else Path(out) / stem)


def find_medmnist(name: str, start: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder of a set of MedMNIST; where only its file is at hand, unpack that into the cache, once.

    Nothing is downloaded: `medmnist_folder` does that, and ``python -m dvpt_monai medmnist NAME``.

    Args:
        name: the set, such as ``"adrenalmnist3d_64"``.
        start: ignored, see `find_data`.

    Returns:
        A folder with ``labels.csv``: one that `find_data` finds, else what `unpack_medmnist` makes.

    Raises:
        DataError: if neither folder nor file exists; says where they were looked for and how to get them.
    """
    if start is not None:
        warnings.warn(IGNORED_START, DeprecationWarning, stacklevel=2)
    try:
        return find_data(name)
    except DataError:
        return unpack_medmnist(medmnist_file(name))


def medmnist_file(name: str) -> Path:
    """Find the file ``<name>.npz``, where `find_data` looks for folders, or in a folder ``medmnist`` there.

    Raises:
        DataError: if it is in none of these places.
    """
    path = _at_hand(name)
    if path is None:
        looked = "\n  ".join(map(str, _files(name)))
        raise DataError(
            f"no data set {name!r} here. `python -m dvpt_monai medmnist {name}` gets one of MedMNIST's; or put "
            f"{name}.npz into a folder and set DVPT_DATA to that; for generated volumes instead: `python -m dvpt_monai "
            f"phantoms OUT`. Looked for\n  {looked}"
        )
    return path


def fetch_medmnist(name: str, size: int | None = None) -> Path:
    """The file of a set of MedMNIST in the cache, downloaded from its official home at most once.

    Raises:
        DataError: there is no such set, it cannot be downloaded, or its md5 is wrong; nothing is kept then.
    """
    stem = stem_of(name, size)
    target, md5 = cached_data() / "medmnist" / f"{stem}.npz", md5_of(stem)
    assert md5 is not None  # stem_of knows the sets
    if target.is_file() and md5_of_file(target) == md5:
        return target
    licence = MEDMNIST[split_name(stem)[0]].licence
    print(f"Downloading {stem} of MedMNIST ({licence})", file=sys.stderr, flush=True)
    download(f"{medmnist_sets.FILES}/{stem}.npz?download=1", target, md5)
    return target


def _at_hand(name: str) -> Path | None:
    return next((path for path in _files(name) if path.is_file()), None)


def _files(name: str) -> list[Path]:
    return [place / folder / f"{name}.npz" for place in places() for folder in ("medmnist", ".")]
