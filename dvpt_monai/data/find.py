"""Where a data set lies on this machine."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from dvpt_monai.cache import cache
from dvpt_monai.errors import DataError

_HOMES = {
    "idrid_grading": "IDRiD is at https://doi.org/10.21227/H25W98 (IEEE DataPort, free account); for generated images "
    "instead call dvpt_monai.phantoms.write_fundus(folder) and use that folder",
    "idrid_lesions": "IDRiD is at https://doi.org/10.21227/H25W98 (IEEE DataPort, free account); for generated images "
    "instead call dvpt_monai.phantoms.write_lesions(folder) and use that folder",
    "Task04_Hippocampus": "monai.apps.DecathlonDataset(root, 'Task04_Hippocampus', 'training', download=True) gets it; "
    "for generated volumes instead call dvpt_monai.phantoms.write_hippocampus(folder) and use that folder",
    "MedFMC": "MedFMC is at https://medfm2023.grand-challenge.org/datasets (free account), its lists at "
    "https://github.com/openmedlab/MedFM; for generated images instead call dvpt_monai.phantoms.write_medfmc(folder)",
    "adrenalmnist3d_64": "`python -m dvpt_monai medmnist adrenalmnist3d_64` gets it from its home; for generated "
    "volumes instead call dvpt_monai.phantoms.write_adrenal(folder) and use that folder",
}

IGNORED_START = "start= is ignored: data are found in DVPT_DATA and in the cache; name another folder as dataset_dir"


def find_data(name: str, start: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder of a data set: in ``$DVPT_DATA``, else in the cache.

    The cache is ``$DVPT_CACHE``, else ``$XDG_CACHE_HOME/dvpt_monai``, else ``~/.cache/dvpt_monai``; data sets are in
    its folder ``data``.

    Args:
        name: the folder's name, such as ``"idrid_grading"`` or ``"Task04_Hippocampus"``.
        start: ignored, and accepted for one release more: bundles of the last one were looked beside.

    Raises:
        DataError: if no such folder exists; says where it was looked for and how to get the data.

    Example:
        >>> import tempfile
        >>> from unittest.mock import patch
        >>> with tempfile.TemporaryDirectory() as home, patch.dict(os.environ, DVPT_DATA=home):
        ...     Path(home, "my_eyes").mkdir()
        ...     find_data("my_eyes") == Path(home, "my_eyes")
        True
    """
    if start is not None:
        warnings.warn(IGNORED_START, DeprecationWarning, stacklevel=2)
    if name in ("", "..") or Path(name).name != name:
        raise DataError(f"find_data: {name!r} is not the name of a folder; pass a path as dataset_dir instead")
    homes = places()
    for home in homes:
        if (home / name).is_dir():
            return home / name
    remedy = _HOMES.get(name, "get it from its home")
    looked = "\n  ".join(str(home / name) for home in homes)
    raise DataError(
        f"no data set {name!r} here. {remedy}, or set DVPT_DATA to the folder that holds it. Looked for\n  {looked}"
    )


def places() -> list[Path]:
    """The folders that may hold data sets, in the order in which `find_data` looks through them."""
    own = os.environ.get("DVPT_DATA")
    return list(dict.fromkeys([*([Path(own).expanduser()] if own else []), cached_data()]))


def cached_data() -> Path:
    """The folder of data sets in the cache."""
    return cache() / "data"
