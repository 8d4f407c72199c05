"""An archive of a bundle as a folder, with nothing outside of that."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from dvpt_monai.errors import BundleError
from dvpt_monai.ship.audit.members import DAMAGE, Member, members, unsafe

__all__ = ["unpack"]


def unpack(archive: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Write the one folder of an archive into another; whole or not at all.

    Args:
        archive: a ``.zip``, as :func:`~dvpt_monai.ship.pack.pack` writes it.
        out: where the bundle's folder goes; made if missing.

    Returns:
        The bundle's folder.

    Raises:
        BundleError: it is there already; or the archive is damaged, holds no one bundle, or would write elsewhere,
            links, or far more than it is large. Nothing of it is written then.
    """
    path, found = Path(archive), list(members(archive))
    dangers = unsafe(found)
    if dangers:
        raise BundleError(f"{path}: {dangers[0]}; nothing of it was unpacked")
    target = Path(out) / _folder(path, found)
    if target.exists():
        raise BundleError(f"{target} is there already; remove it, or unpack somewhere else with --out DIR")
    Path(out).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unpack-") as home:
        try:
            with zipfile.ZipFile(path) as content:
                for member in found:
                    place = Path(home, *_parts(member.name))
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with content.open(member.name) as source, place.open("xb") as file:
                        shutil.copyfileobj(source, file, 1 << 20)
        except DAMAGE as error:
            raise BundleError(f"{path} cannot be unpacked ({error}); download it again, or make room") from error
        os.replace(Path(home, target.name), target)
    return target


def _folder(path: Path, found: list[Member]) -> str:
    """The one folder that an archive holds."""
    tops = sorted({_parts(member.name)[0] for member in found})
    if len(tops) != 1 or f"{tops[0]}/configs/metadata.json" not in {"/".join(_parts(each.name)) for each in found}:
        raise BundleError(f"{path}: not one folder with a bundle, which has configs/metadata.json, but {tops[:5]}")
    return tops[0]


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts
