"""The values of masks and the classes of cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.reading import Scan
from dvpt_monai.verify.stored import Header, Photograph

__all__ = ["balance_faults", "counts_of", "counts_of_layers", "mask_faults", "undeclared_faults"]

UNKNOWN = Kind(
    "label-unknown", "labels", "Values that no label declares",
    why="a network has no output for them: training stops there, or takes them for the background",
    remedy="correct the mask, or declare the value among the labels of dataset.json",
)  # fmt: skip
FRACTION = Kind(
    "label-fraction", "labels", "Values that are no whole numbers",
    why="they come of resampling with interpolation, and round to structures that are not there",
    remedy="make the mask anew with nearest-neighbour interpolation",
)  # fmt: skip
FLOAT = Kind(
    "label-float", "labels", "Whole numbers stored as floating point",
    why="values may come back a hair beside the number, and tools that look for integers refuse them",
    remedy="store the mask in the smallest integer type: --fix does",
    fatal=False,
)  # fmt: skip
NAN = Kind(
    "label-nan", "labels", "Masks with NaN or infinite values",
    why="what they become is left to chance: background, or a structure that is not there",
    remedy="make the mask anew",
)  # fmt: skip
COLOURED = Kind(
    "label-colours", "labels", "A coloured mask",
    why="colours are no numbers of structures",
    remedy="save one number for each structure, in gray or with a palette",
)  # fmt: skip
LOSSY = Kind(
    "label-lossy", "labels", "A mask with lossy compression",
    why="JPEG blurs values, so that borders become other structures",
    remedy="make the mask anew and save it as PNG",
)  # fmt: skip
MANY = Kind(
    "label-many", "labels", "So many values that it is hardly a mask",
    why="an image in the place of a mask teaches nothing",
    remedy="find the mask of this image, or declare the labels",
)  # fmt: skip
RARE = Kind(
    "label-rare", "labels", "A value that no other mask has",
    why="a slip of the tool, or masks of two conventions (0/1 and 0/255), become a structure of their own",
    remedy="correct the mask, or declare the labels if it is right",
    fatal=False,
)  # fmt: skip
CONVENTIONS = Kind(
    "label-conventions", "labels", "Some masks hold 0 and 1, others 0 and 255",
    why="one structure, written in two ways, is learned as two",
    remedy="store all masks with the same numbers, or declare the labels if these are two structures",
    fatal=False,
)  # fmt: skip
EMPTY = Kind(
    "empty", "labels", "A mask without any structure",
    why="right for a healthy case; else the network learns that there is nothing",
    remedy="look at it; make the mask anew if there is something to segment",
    fatal=False,
)  # fmt: skip
SPELLING = Kind(
    "class-spelling", "labels", "Classes that differ only in capitals or blanks",
    why="one class is learned as two",
    remedy="spell it alike",
    fatal=False,
)  # fmt: skip
SCARCE = Kind(
    "scarce", "labels", "A class or a structure with few cases",
    why="what is seen so seldom is hardly learned, and its score says little",
    remedy="collect more, join classes, or read its score with that in mind",
    fatal=False,
)  # fmt: skip
ABSENT = Kind(
    "absent", "labels", "A class or a structure that a part of the data lacks",
    why="it is not learned, or not scored",
    remedy="divide the data anew, so that each part has every class",
    fatal=False,
)  # fmt: skip

_MANY = 64
_FEW, _SHARE = 3, 0.01
"""Cases of a class, and their share of all, under which it is scarce."""
_ENOUGH = 8
"""Masks from which one can tell what is usual."""


def mask_faults(path: Path, header: Header, scan: Scan, names: Mapping[int, str]) -> Iterator[Finding]:
    """Faults of one mask; `names` are those of its values, empty where nothing declares them."""
    array = scan.array
    if isinstance(header, Photograph):
        gray = _gray(array)
        if gray is None:
            yield COLOURED.at(path, f"mode {header.mode}, with {_colours(array)} colours")
            return
        array = gray
        if header.lossy and len(np.unique(array)) > 2:
            yield LOSSY.at(path, f"{len(np.unique(array))} values")
            return
    if array.dtype.kind in "fc":
        unfit = int(np.count_nonzero(~np.isfinite(array)))
        if unfit:
            yield NAN.at(path, f"{unfit:,} of {array.size:,} voxels")
            return
        off = np.abs(array - np.round(array))
        if off.max(initial=0) > 1e-3:
            first = array.ravel()[int(off.argmax())]
            yield FRACTION.at(path, f"such as {first:.6g}, in {int(np.count_nonzero(off > 1e-3)):,} voxels")
            return
        yield FLOAT.at(path, header.mode if isinstance(header, Photograph) else header.kind)
    counts = counts_of(array)
    unknown = [value for value in counts if value not in names] if names else [value for value in counts if value < 0]
    if unknown:
        declared = f"declared are {_values(names)}" if names else "structures count from 0"
        yield UNKNOWN.at(path, f"{_values(unknown)} in {sum(counts[value] for value in unknown):,} pixels; {declared}")
    elif len(counts) > _MANY and not names:
        yield MANY.at(path, f"{len(counts)} values")
    if set(counts) <= {0}:
        yield EMPTY.at(path, "0 everywhere")


def counts_of(array: NDArray[Any]) -> dict[int, int]:
    """How many pixels have each value of a mask, whose values are rounded.

    Example:
        >>> counts_of(np.array([0, 2, 2]))
        {0: 1, 2: 2}
    """
    gray = _gray(array) if array.ndim == 3 and array.shape[-1] in (2, 3, 4) else array
    whole = np.round(np.nan_to_num(array if gray is None else gray)).astype(np.int64, copy=False).ravel()
    if whole.size and whole.min() >= 0 and whole.max() < 1 << 16:
        counted = np.bincount(whole)
        return {int(value): int(counted[value]) for value in np.flatnonzero(counted)}
    values, counts = np.unique(whole, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def counts_of_layers(layers: NDArray[Any], voxels: int) -> dict[int, int]:
    """How many voxels each structure has, by its number from 1, and how many of so many none has.

    Args:
        layers: 0 and 1 of each structure, as last axis.
        voxels: of the image.

    Example:
        >>> counts_of_layers(np.array([[1, 1], [1, 0], [0, 0]]), voxels=4)
        {0: 2, 1: 2, 2: 1}
    """
    counts = {number: int(np.count_nonzero(layers[..., number - 1])) for number in range(1, layers.shape[-1] + 1)}
    empty = voxels - int(np.count_nonzero(layers.any(axis=-1)))
    return {number: count for number, count in {0: empty, **counts}.items() if count}


def undeclared_faults(facts: Sequence[Facts], names: Mapping[int, str]) -> Iterator[Finding]:
    """Values that one mask alone has, and masks of two conventions, where nothing says which there should be."""
    masks = [(mask, set(counts) - {0}) for each in facts for mask, counts in each.masks.items()]
    if names:
        return
    usual = Counter(value for _, values in masks for value in values)
    if set(usual) == {1, 255} and all(len(values) < 2 for _, values in masks):
        rarer = min((1, 255), key=lambda value: usual[value])
        yield from (CONVENTIONS.at(mask, f"0 and {rarer}") for mask, values in masks if values == {rarer})
    if len(masks) < _ENOUGH:
        return
    for mask, values in masks:
        rare = [value for value in values if usual[value] == 1]
        if rare and len(rare) <= _MANY:
            others = sorted(set(usual) - set(rare))
            yield RARE.at(mask, f"{_values(rare)}; other masks hold {_values(others) if others else '0 alone'}")


def balance_faults(facts: Sequence[Facts], root: Path, names: Mapping[int, str]) -> Iterator[Finding]:
    """Classes and structures that are scarce, absent from a part, or spelled in two ways."""
    owners: dict[str, Counter[str]] = defaultdict(Counter)
    for each in facts:
        known = each.classes(names) if each.case.label or not names else set(each.classes(names)) & set(names.values())
        for name in known:
            owners[name][each.case.part] += 1
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in sorted(owners):
        spellings[" ".join(name.lower().split())].append(name)
    for first, *others in spellings.values():
        yield from (SPELLING.at(root, f"{first!r} and {other!r}") for other in others)
    parts = {each.case.part for each in facts} - {""}
    for name in sorted(owners):
        total = sum(owners[name].values())
        if len(facts) >= _ENOUGH and (total < _FEW or total < _SHARE * len(facts)):
            yield SCARCE.at(root, f"{name!r} in {total} of {len(facts)} cases")
        missing = sorted(part for part in parts if not owners[name][part])
        if missing and len(owners) > 1:
            yield ABSENT.at(root, f"{name!r} is not in {' and '.join(missing)}")


def _gray(array: NDArray[Any]) -> NDArray[Any] | None:
    """One channel of a mask that is gray, though perhaps stored in colour; ``None`` if it is not."""
    if array.ndim == 2:
        return array
    colours = array[..., : 3 if array.shape[-1] > 2 else 1]
    return None if (colours != colours[..., :1]).any() else colours[..., 0]


def _colours(array: NDArray[Any]) -> int:
    return len(np.unique(array.reshape(-1, array.shape[-1]), axis=0))


def _values(values: Any, most: int = 6) -> str:
    several = sorted(values)
    listed = ", ".join(str(value) for value in several[:most])
    return listed + (f" and {len(several) - most} more" if len(several) > most else "")
