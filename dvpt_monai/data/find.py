"""Where a data set lies on this machine."""

from __future__ import annotations

import os
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
    "adrenalmnist3d_64": "adrenalmnist3d_64.npz is at https://medmnist.com, and `python -m dvpt_monai medmnist FILE` "
    "unpacks it; for generated volumes instead call dvpt_monai.phantoms.write_adrenal(folder) and use that folder",
}


def find_data(name: str, start: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder of a data set.

    Looked through in this order: ``$DVPT_DATA/<name>``; ``shared/data/<name>`` beside `start` or any of its parents;
    ``data/<name>`` in the cache (``$DVPT_CACHE``, else ``$XDG_CACHE_HOME/dvpt_monai``, else ``~/.cache/dvpt_monai``).

    Args:
        name: the folder's name, such as ``"idrid_grading"`` or ``"Task04_Hippocampus"``.
        start: where to begin to look upwards; by default in the current folder, then where this package is installed.

    Raises:
        DataError: if no such folder exists; says where it was looked for and how to get the data.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     folder = Path(home) / "shared" / "data" / "my_eyes"
        ...     folder.mkdir(parents=True)
        ...     find_data("my_eyes", start=home) == folder
        True
    """
    if name in ("", "..") or Path(name).name != name:
        raise DataError(f"find_data: {name!r} is not the name of a folder; pass a path as dataset_dir instead")
    homes = places(start)
    for home in homes:
        if (home / name).is_dir():
            return home / name
    remedy = _HOMES.get(name, "get it from its home")
    looked = "\n  ".join(str(home / name) for home in homes)
    raise DataError(
        f"no data set {name!r} here. {remedy}, or set DVPT_DATA to the folder that holds it. Looked for\n  {looked}"
    )


def places(start: str | os.PathLike[str] | None = None) -> list[Path]:
    """The folders that may hold data sets, in the order in which `find_data` looks through them."""
    found = []
    if os.environ.get("DVPT_DATA"):
        found.append(Path(os.environ["DVPT_DATA"]).expanduser())
    for origin in (Path.cwd(), Path(__file__).parent) if start is None else (Path(start),):
        origin = origin.resolve()
        found += [parent / "shared" / "data" for parent in (origin, *origin.parents)]
    return list(dict.fromkeys([*found, cached_data()]))


def cached_data() -> Path:
    """The folder of data sets in the cache."""
    return cache() / "data"
