"""Look at a data set: headers of all files, values of a few."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.layouts import Case, Listing, Lost, Note, left_out
from dvpt_monai.new_bundle.copies import copies_of
from dvpt_monai.new_bundle.faults import sound, warnings_of
from dvpt_monai.new_bundle.header import Header, header_of
from dvpt_monai.new_bundle.masks import Masks, masks_of
from dvpt_monai.verify import ImageFacts, of_listing, verify_cases

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
        faults: of the files, that spoil nothing.
        aside: files below the folder of the data that are left out, by the reason.
    """

    listing: Listing
    headers: tuple[Header, ...]
    masks: Masks | None
    hounsfield: bool
    window: tuple[float, float]
    notes: tuple[Note, ...] = ()
    faults: tuple[Note, ...] = ()
    aside: Mapping[str, Sequence[Path]] = field(default_factory=dict)

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


def survey(listing: Listing, leave_out: bool = False, lost: Sequence[Lost] = (), workers: int | None = 1) -> Survey:
    """Read every file of the cases once, as `verify` does, and the pixels of a sample once more.

    Args:
        listing: the cases.
        leave_out: whether cases with a fatal fault are left out, instead of an error.
        lost: cases that could not be listed.
        workers: processes that read; ``None`` for one for each core.

    Raises:
        DataError: a file is damaged, or images do not fit each other or their masks; names the files and the remedy.
    """
    report = verify_cases(of_listing(listing), workers=workers)
    listing, facts, faulty = sound(listing, report, leave_out)
    cases = listing.cases
    images = [each.image for each in facts if each.image is not None]
    headers = [header_of(image) for image in images]
    _alike(cases, headers)
    masks = None
    if listing.task == "segmentation":
        counts = [each.masks[Path(case.label)] for case, each in zip(cases, facts, strict=True)]
        total = sum(math.prod(image.size) for image in images)
        masks = masks_of(counts, listing.ignored, str(Path(cases[0].label).parent), total)
    together, notes = _copies(cases, images)
    hounsfield, window = _intensities(cases, headers)
    aside = left_out(listing, [*lost, *faulty])
    return Survey(
        replace(listing, cases=together), tuple(headers), masks, hounsfield, window, notes,
        tuple(warnings_of(report)), aside,
    )  # fmt: skip


def _alike(cases: Sequence[Case], headers: Sequence[Header]) -> None:
    """All in 2D or all in 3D, volumes with as many channels."""
    first = headers[0]
    for case, header in zip(cases, headers, strict=True):
        if header.dims == 2 and case.channels:
            raise DataError(f"{case.image}: a picture in {1 + len(case.channels)} files; save its channels as colours")
        if header.dims == 3 and header.size[2] == 1:
            raise DataError(f"{case.image}: a volume of a single slice; save it as PNG, and all others too")
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


def _copies(cases: Sequence[Case], images: Sequence[ImageFacts]) -> tuple[tuple[Case, ...], tuple[Note, ...]]:
    """Bind copies of one image, so that no split divides them."""
    bound = list(cases)
    notes = []
    copies = copies_of(images)
    for places in copies:
        alike = [cases[place] for place in places]
        same = len({images[place].content for place in places}) == 1
        names = f"{alike[0].image.name} and {alike[1].image.name} {'are the same image' if same else 'look the same'}"
        if isinstance(alike[0].label, str) and len({case.label for case in alike}) > 1:
            text = f"{names} with different labels, {alike[0].label} and {alike[1].label}: delete the wrong one"
            notes.append(Note(text, warning=True))
        if len(found := {case.part for case in alike}) > 1:
            text = f"{names}, in {' and '.join(sorted(found))}: the test asks what was learned by heart; delete one"
            notes.append(Note(text, warning=True))
            continue
        group = min({case.group for case in alike} - {""}, default=f"copies of {alike[0].image.name}")
        joined = {case.group for case in alike} - {""}
        for place, case in enumerate(bound):
            if place in places or case.group in joined:
                bound[place] = replace(case, group=group)
    count = sum(len(places) - 1 for places in copies)
    if len(notes) > SHOWN:
        notes = [*notes[:SHOWN], Note(f"{len(notes) - SHOWN} more copies like these", warning=True)]
    if copies:
        one, other = (cases[place].image.name for place in copies[0][:2])
        notes.append(Note(f"{count} images are copies of others, as {other} of {one}; copies stay in one part"))
    return tuple(bound), tuple(notes)


def _intensities(cases: Sequence[Case], headers: Sequence[Header]) -> tuple[bool, tuple[float, float]]:
    """Whether a sample holds Hounsfield units, and its range."""
    if headers[0].dims == 2 and all(header.bits == 8 for header in headers):
        return False, (0.0, 255.0)
    chosen = cases[:: max(1, len(cases) // SAMPLE)][:SAMPLE]
    values = []
    lowest = []
    header = headers[0]
    for case in tqdm(chosen, desc="Reading intensities", unit="image", leave=False, disable=None):
        image = _values(case)
        lowest.append(float(image.min()))
        mask = _mask(case) if isinstance(case.label, Path) and image.ndim == 3 and header.dims == 3 else None
        inside = image[mask > 0] if mask is not None and (mask > 0).any() else image
        flat = inside.ravel()
        values.append(flat[:: max(1, flat.size // 100_000)])
    hounsfield = float(np.median(lowest)) < AIR
    pooled = np.concatenate(values)
    if hounsfield and (pooled > AIR).any():
        pooled = pooled[pooled > AIR] if not any(isinstance(case.label, Path) for case in chosen) else pooled
    low, high = (float(value) for value in np.percentile(pooled, (0.5, 99.5)))
    return hounsfield, (low, max(high, low + 1))


def _mask(case: Case) -> NDArray[Any]:
    """The mask of a volume in the grid of its image."""
    mask, image = formats.read(Path(case.label), overlapping=True), formats.read(case.image)
    array = mask.array.max(axis=-1) if formats.names_structures(Path(case.label)) else mask.array
    if mask.affine is None or image.affine is None:
        return array
    return formats.into_grid(array[None], mask.affine, image.affine, image.shape, cropped=True)[0]


def _values(case: Case) -> NDArray[Any]:
    """An image as its bundle reads it: photographs with white at 255."""
    image = formats.read([case.image, *case.channels] if case.channels else case.image)
    if image.affine is not None:
        return np.nan_to_num(image.array.astype(np.float32))
    from monai.transforms import EnsureChannelFirstd

    from dvpt_monai.transforms import EnsureRGBd, LoadImaged

    loaded = EnsureChannelFirstd("image")(LoadImaged("image")({"image": str(case.image)}))
    return np.nan_to_num(EnsureRGBd("image")(loaded)["image"].numpy())
