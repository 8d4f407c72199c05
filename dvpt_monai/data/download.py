"""A file from its official home: whole, with the published hash, or not at all."""

from __future__ import annotations

import hashlib
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.whole_file import whole_file

__all__ = ["download", "md5_of_file"]

SLOWEST = 2000
"""Bytes a second, below which a download counts as stalled."""
LARGEST = 64 << 30
"""Bytes that no bundle and no file of a data set has."""


def download(
    url: str, target: Path, md5: str | None = None, patience: float = 30.0, *, sha256: str | None = None
) -> None:
    """Download a file to `target`, which appears only when it is complete and its hash is right.

    Args:
        url: where it is, by HTTP or HTTPS.
        target: where it goes; missing folders are made.
        md5: its published hash.
        patience: seconds to wait for a connection, or for more than a trickle of data.
        sha256: its hash, where that is published in place of an md5.

    Raises:
        DataError: it cannot be reached, stalls, breaks off, is larger than any bundle or has another hash; says how to
            get it by hand.
    """
    kind, expected = ("sha256", sha256) if sha256 else ("md5", md5)
    if not expected:
        raise DataError(f"{url}: neither its md5 nor its sha256 is given; ask its owner for one")
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: no address that begins with https:// or http://")
    by_hand = f"download it by hand and put it at {target}"
    with whole_file(target) as part:
        try:
            _receive(url, part, patience)
        except (OSError, HTTPException) as error:
            raise DataError(f"{url} cannot be downloaded ({error or type(error).__name__}); {by_hand}") from error
        found = sha256_of(part) if sha256 else md5_of_file(part)
        if found != expected.lower():
            raise DataError(f"{url}: {kind} {found}, expected {expected}; it was not kept. Try again, or {by_hand}")


def md5_of_file(path: Path) -> str:
    """The md5 of a file, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _receive(url: str, part: Path, patience: float) -> None:
    with urlopen(url, timeout=patience) as response, part.open("wb") as file:  # nosec B310: HTTP alone comes here
        length = response.headers.get("Content-Length")
        total = int(length) if length else None
        received, before, since = 0, 0, monotonic()
        with tqdm(
            total=total, desc=part.suffix and url.rpartition("/")[2], unit="B", unit_scale=True, disable=None
        ) as bar:
            while chunk := response.read1(1 << 16):
                file.write(chunk)
                received += len(chunk)
                if received > LARGEST:
                    raise OSError(f"more than {LARGEST:,} bytes")
                bar.update(len(chunk))
                if monotonic() - since > patience:
                    if received - before < SLOWEST * patience:
                        raise TimeoutError(f"stalled after {received} bytes")
                    before, since = received, monotonic()
        if total is not None and received < total:
            raise OSError(f"broke off after {received} of {total} bytes")
