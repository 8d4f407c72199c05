"""Look at a data set: headers of all files, values of a few."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.header import Header, Unreadable, header_of
from dvpt_monai.new_bundle.listing import Case, Listing, Note
from dvpt_monai.new_bundle.masks import Masks, check_pair, read_masks
from dvpt_monai.sha256 import sha256_of

__all__ = ["Survey", "survey"]

SAMPLE = 24
"""Images whose pixels are read."""
SHOWN = 5
"""Copies that are told one by one."""
AIR = -500.0
"""Volumes that reach below it hold Hounsfield units: nothing in the body but the lung does."""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Args:
        listing: the cases; copies of an image share a group.
        headers: of the images, in the order of the cases.
        masks: what they hold; ``None`` for classification.
        hounsfield: whether the values are Hounsfield units.
        window: of the sample: its 0.5th and 99.5th percentile, in Hounsfield units of what is no air or, with masks, of
            the structures.
        notes: what was noticed.
    """

    listing: Listing
    headers: tuple[Header, ...]
    masks: Masks | None
    hounsfield: bool
    window: tuple[float, float]
    notes: tuple[Note, ...] = ()

    @property
    def dims(self) -> int:
        """2 or 3."""
        return self.headers[0].dims

    @property
    def channels(self) -> int:
        """Channels of a volume; of photographs the most that any has."""
        return max(header.channels for header in self.headers)

    @property
    def size(self) -> tuple[int, ...]:
        """The median size, in pixels or in voxels along the axes of RAS."""
        return tuple(int(side) for side in np.median([header.in_ras[0] for header in self.headers], axis=0).round())

    @property
    def spacing(self) -> tuple[float, ...]:
        """The median spacing in mm along the axes of RAS; empty in 2D."""
        return tuple(float(mm) for mm in np.median([header.in_ras[1] for header in self.headers], axis=0))

    @property
    def extent(self) -> tuple[float, ...]:
        """The median extent in mm along the axes of RAS."""
        sides = [np.multiply(*header.in_ras) for header in self.headers]
        return tuple(float(mm) for mm in np.median(sides, axis=0))

    @property
    def bits(self) -> int:
        """The most bits that a value has."""
        return max(header.bits for header in self.headers)


def survey(listing: Listing) -> Survey:
    """Read the headers of all images and masks, and the pixels of a sample.

    Raises:
        DataError: a file is damaged, or images do not fit each other or their masks; names the files and the remedy.
    """
    cases = listing.cases
    headers = _headers([case.image for case in cases], "image")
    _alike(cases, headers)
    masks = None
    if listing.task == "segmentation":
        paths = [Path(case.label) for case in cases]
        of_masks = _headers(paths, "mask")
        for case, path, header, of_mask in zip(cases, paths, headers, of_masks, strict=True):
            check_pair(case.image, path, header, of_mask)
        masks = read_masks(paths, of_masks)
    together, notes = _copies(cases)
    hounsfield, window = _intensities(cases, headers)
    return Survey(replace(listing, cases=together), tuple(headers), masks, hounsfield, window, notes)


def _headers(paths: Sequence[Path], unit: str) -> list[Header]:
    """The headers of all files, or one error that names all that are damaged."""
    headers, broken = [], list[Unreadable]()
    for path in tqdm(paths, "Reading files", unit=unit, leave=False, disable=None):
        try:
            headers.append(header_of(path))
        except Unreadable as error:
            broken.append(error)
    if len(broken) == 1:
        raise broken[0]
    if broken:
        files = ", ".join(f"{error.file} ({error.reason})" for error in broken)
        raise DataError(f"{len(broken)} files cannot be read; replace them or move them away: {files}")
    return headers


def _alike(cases: Sequence[Case], headers: Sequence[Header]) -> None:
    """All in 2D or all in 3D, volumes with as many channels."""
    first = headers[0]
    for case, header in zip(cases, headers, strict=True):
        if header.dims != first.dims:
            raise DataError(
                f"{cases[0].image} is {first.dims}D, but {case.image} is {header.dims}D; a network takes one of them: "
                "move the others away"
            )
        if header.dims == 3 and header.channels != first.channels:
            raise DataError(
                f"{cases[0].image} has {first.channels} channel(s), but {case.image} has {header.channels}; keep those "
                "with the same channels"
            )


def _copies(cases: Sequence[Case]) -> tuple[tuple[Case, ...], tuple[Note, ...]]:
    """Bind copies of one image, so that no split divides them."""
    sketches: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for place, case in enumerate(cases):
        sketches[_sketch(case.image)].append(place)
    contents: dict[str, list[int]] = defaultdict(list)
    suspects = [place for places in sketches.values() if len(places) > 1 for place in places]
    for place in tqdm(suspects, desc="Comparing files", unit="image", leave=False, disable=None):
        contents[sha256_of(cases[place].image)].append(place)
    bound = list(cases)
    notes = []
    copies = [places for places in contents.values() if len(places) > 1]
    for places in copies:
        alike = [cases[place] for place in places]
        names = f"{alike[0].image.name} and {alike[1].image.name} are the same image"
        if isinstance(alike[0].label, str) and len({case.label for case in alike}) > 1:
            text = f"{names} with different labels, {alike[0].label} and {alike[1].label}: delete the wrong one"
            notes.append(Note(text, warning=True))
        if len(found := {case.part for case in alike}) > 1:
            text = f"{names}, in {' and '.join(sorted(found))}: the test asks what was learned by heart; delete one"
            notes.append(Note(text, warning=True))
            continue
        group = min({case.group for case in alike} - {""}, default=f"copies of {alike[0].image.name}")
        for place in places:
            bound[place] = replace(cases[place], group=group)
    count = sum(len(places) - 1 for places in copies)
    if len(notes) > SHOWN:
        notes = [*notes[:SHOWN], Note(f"{len(notes) - SHOWN} more copies like these", warning=True)]
    if copies:
        one, other = (cases[place].image.name for place in copies[0][:2])
        notes.append(Note(f"{count} images are copies of others, as {other} of {one}; copies stay in one part"))
    return tuple(bound), tuple(notes)


def _sketch(path: Path) -> tuple[int, bytes]:
    """The size of a file and its middle: what differs here need not be read whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size // 2 - 2048))
        return size, file.read(4096)


def _intensities(cases: Sequence[Case], headers: Sequence[Header]) -> tuple[bool, tuple[float, float]]:
    """Whether a sample holds Hounsfield units, and its range."""
    if headers[0].dims == 2 and all(header.bits == 8 for header in headers):
        return False, (0.0, 255.0)
    chosen = cases[:: max(1, len(cases) // SAMPLE)][:SAMPLE]
    values = []
    lowest = []
    for case in tqdm(chosen, desc="Reading intensities", unit="image", leave=False, disable=None):
        image = _values(case.image)
        lowest.append(float(image.min()))
        mask = _values(case.label) if isinstance(case.label, Path) and image.ndim == 3 else None
        inside = image[mask > 0] if mask is not None and mask.shape == image.shape and (mask > 0).any() else image
        flat = inside.ravel()
        values.append(flat[:: max(1, flat.size // 100_000)])
    hounsfield = float(np.median(lowest)) < AIR
    pooled = np.concatenate(values)
    if hounsfield and (pooled > AIR).any():
        pooled = pooled[pooled > AIR] if not any(isinstance(case.label, Path) for case in chosen) else pooled
    low, high = (float(value) for value in np.percentile(pooled, (0.5, 99.5)))
    return hounsfield, (low, max(high, low + 1))


def _values(path: Path) -> NDArray[Any]:
    """An image as its bundle reads it: photographs with white at 255."""
    if path.name.lower().endswith((".nii", ".nii.gz")):
        volume: Any = nib.load(path)
        values: NDArray[Any] = np.asarray(volume.dataobj, dtype=np.float32)
    else:
        from monai.transforms import LoadImage

        from dvpt_monai.transforms import EnsureRGBd

        load = LoadImage(reader="PILReader", reverse_indexing=False, ensure_channel_first=True)
        values = EnsureRGBd("image")({"image": load(path)})["image"].numpy()
    return np.nan_to_num(values)
