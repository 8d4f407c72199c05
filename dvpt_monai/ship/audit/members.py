"""The files of a bundle, in a folder or in an archive that nobody has unpacked."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dvpt_monai.errors import BundleError
from dvpt_monai.ship.audit.finding import Finding

__all__ = ["DAMAGE", "Member", "members", "unsafe"]

DAMAGE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What reading a file of an archive raises where a byte of it is wrong."""
LARGEST = 8 << 30
"""Bytes of all files together."""
FILES = 10_000
RATIO = 200
"""Bytes of a file to those of it in the archive, from a megabyte on; weights hardly shrink, and text by ten."""


@dataclass(frozen=True)
class Member:
    """A file of a bundle.

    Args:
        name: relative to the bundle or archive, with ``/``.
        size: bytes.
        packed: bytes in the archive; as ``size`` in a folder.
        link: whether it is a link.
        read: its content; of a large file the first bytes, if a number is given.
    """

    name: str
    size: int
    packed: int
    link: bool
    read: Callable[[int], bytes]


def members(source: str | os.PathLike[str]) -> Iterator[Member]:
    """The files of a folder, of a zip archive, or a single file; links are named, never followed.

    Raises:
        BundleError: there is nothing, or the archive is damaged.
    """
    path = Path(source)
    if path.is_dir():
        for folder, folders, files in os.walk(path):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in sorted(files + links):
                yield _of_folder(Path(folder, name), path)
    elif path.suffix == ".zip" and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
            yield from (_of_archive(path, info) for info in infos)
        except zipfile.BadZipFile as error:
            raise BundleError(f"{path}: no archive, or damaged ({error}); download it again") from error
    elif path.is_file():
        yield _of_folder(path, path.parent)
    else:
        raise BundleError(f"{path}: no such bundle, archive or config")


def unsafe(found: list[Member]) -> list[Finding]:
    """What keeps an archive from being unpacked: places outside, links, sizes."""
    findings = []
    for member in found:
        parts = PurePosixPath(member.name.replace("\\", "/")).parts
        if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
            findings.append(Finding(member.name, "", "would be written outside of its folder", refused=True))
        if member.link:
            findings.append(Finding(member.name, "", "is a link", refused=True))
        if member.size > 1 << 20 and member.size > RATIO * max(member.packed, 1):
            grows = member.size // max(member.packed, 1)
            findings.append(Finding(member.name, "", f"grows {grows} times when it is unpacked", refused=True))
    total = sum(member.size for member in found)
    if total > LARGEST:
        findings.append(Finding("", "", f"holds {total:,} bytes, of at most {LARGEST:,}", refused=True))
    if len(found) > FILES:
        findings.append(Finding("", "", f"holds {len(found):,} files, of at most {FILES:,}", refused=True))
    names = [member.name.lower() for member in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    return findings + [Finding(name, "", "comes twice", refused=True) for name in twice]


def _of_folder(path: Path, root: Path) -> Member:
    link = path.is_symlink()
    size = 0 if link else path.stat().st_size

    def read(most: int = -1) -> bytes:
        with path.open("rb") as file:
            return file.read(most)

    return Member(path.relative_to(root).as_posix(), size, size, link, read)


def _of_archive(path: Path, info: zipfile.ZipInfo) -> Member:
    def read(most: int = -1) -> bytes:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(info) as file:
                return file.read(most)
        except DAMAGE as error:
            raise BundleError(f"{path}: {info.filename} is damaged ({error}); download it again") from error

    link = stat.S_ISLNK(info.external_attr >> 16)
    return Member(info.filename, info.file_size, info.compress_size, link, read)
