"""What masks hold: which values, how often, and whether they belong to their images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.files import is_volume
from dvpt_monai.new_bundle.header import Header

__all__ = ["Masks", "check_pair", "read_masks", "values_of"]

BUDGET = 2_000_000_000
"""Pixels of masks that are read; of larger sets, a sample."""
MANY = 64
"""More values than this are no labels."""


@dataclass(frozen=True)
class Masks:
    """What the masks hold.

    Args:
        values: every value in them, ascending, with 0 for the background.
        cases: number of masks with each value.
        share: of all pixels, for each value.
        empty: number of masks without any structure.
        read: number of masks that were read.
        total: number of masks that there are.
    """

    values: tuple[int, ...]
    cases: dict[int, int]
    share: dict[int, float]
    empty: int
    read: int
    total: int


def check_pair(image: Path, mask: Path, of_image: Header, of_mask: Header) -> None:
    """A mask belongs to its image: the same size, and in 3D the same place.

    Raises:
        DataError: it does not; names both files.
    """
    if of_image.size != of_mask.size:
        sizes = " x ".join(map(str, of_mask.size)), " x ".join(map(str, of_image.size))
        raise DataError(f"{mask} is {sizes[0]}, but {image} is {sizes[1]}; a mask needs the size of its image")
    if of_image.affine is not None and of_mask.affine is not None:
        far = float(np.abs(of_image.affine - of_mask.affine).max())
        if far > 0.01:
            raise DataError(
                f"{mask} and {image} lie in different places: their affines differ by {far:.3g} mm; if their voxels do "
                "correspond, write the image's affine into the mask"
            )
    if of_mask.dims == 3 and of_mask.channels > 1:
        raise DataError(f"{mask}: {of_mask.channels} channels; a mask has one, with a value for each structure")


def read_masks(paths: Sequence[Path], headers: Sequence[Header]) -> Masks:
    """Read masks and count their values, of all, or of a sample where there are too many pixels.

    Raises:
        DataError: one is no mask, or all are empty.
    """
    pixels = sum(int(np.prod(header.size, dtype=np.int64)) for header in headers)
    step = max(1, -(-pixels // BUDGET))
    chosen = list(paths[::step])
    cases: Counter[int] = Counter()
    counts: Counter[int] = Counter()
    empty = 0
    for path in tqdm(chosen, desc="Reading masks", unit="mask", leave=False, disable=None):
        found, number = values_of(path)
        counts.update(dict(zip(found, number, strict=True)))
        cases.update(found)
        empty += found == [0]
        if len(cases) > MANY:
            raise DataError(f"{path}: the masks up to here hold {len(cases)} different values; are these masks?")
    values = sorted({0, *cases})
    if values == [0]:
        raise DataError(f"{paths[0].parent}: all masks are empty (0 everywhere); give masks of something")
    total = sum(counts.values())
    return Masks(
        tuple(values),
        {value: cases[value] for value in values},
        {value: counts[value] / total for value in values},
        empty,
        len(chosen),
        len(paths),
    )


def values_of(path: Path) -> tuple[list[int], list[int]]:
    """The values in a mask and how many pixels have each.

    Raises:
        DataError: it cannot be read, its values are no whole numbers from 0, or it is coloured or blurred.
    """
    try:
        mask = _pixels(path)
        found, counts = np.unique(mask, return_counts=True)
    except DataError:
        raise
    except Exception as error:  # readers raise whatever they stumble over
        raise DataError(f"{path}: cannot be read ({error}); replace it or move its case away") from error
    if path.suffix.lower() in (".jpg", ".jpeg") and len(found) > 2:
        raise DataError(f"{path}: a mask saved as JPEG, which blurs values ({len(found)} of them); save masks as PNG")
    wrong = found[(found < 0) | (found != np.round(found)) | ~np.isfinite(found)]
    if wrong.size:
        raise DataError(f"{path}: value {wrong[0]:g} is not a whole number from 0; save one number for each structure")
    if len(found) > MANY:
        raise DataError(f"{path}: {len(found)} different values; is this a mask? It needs one for each structure")
    return [int(value) for value in found], [int(count) for count in counts]


def _pixels(path: Path) -> NDArray[Any]:
    if is_volume(path):
        volume: Any = nib.load(path)
        return np.asarray(volume.dataobj)
    with Image.open(path) as image:
        mask = np.asarray(image)
    if mask.ndim == 3:
        colours = mask[..., : 3 if mask.shape[-1] > 2 else 1]
        if (colours != colours[..., :1]).any():
            raise DataError(
                f"{path}: a coloured mask; save it with one number for each structure, in gray or a palette"
            )
        mask = colours[..., 0]
    return mask.astype(np.uint8) if mask.dtype == bool else mask
