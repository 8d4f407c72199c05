"""What masks hold: which values, in how many of them, and how much of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dvpt_monai.errors import DataError

__all__ = ["Masks", "masks_of"]


@dataclass(frozen=True)
class Masks:
    """What the masks hold.

    Args:
        values: every value in them but the ignored one, ascending, with 0 for the background.
        cases: number of masks with each value.
        share: of all pixels, for each value.
        empty: number of masks without any structure.
        present: the structures' values in each mask, in the order of the cases.
    """

    values: tuple[int, ...]
    cases: Mapping[int, int]
    share: Mapping[int, float]
    empty: int
    present: tuple[frozenset[int], ...] = ()

    def cases_with(self, values: Iterable[int]) -> int:
        """Number of masks with any of these values."""
        wanted = set(values)
        if len(wanted) == 1:
            return self.cases.get(next(iter(wanted)), 0)
        return sum(not wanted.isdisjoint(found) for found in self.present)


def masks_of(counts: Sequence[Mapping[int, int]], ignored: int | None, where: str, total: int) -> Masks:
    """What masks hold, from the number of pixels with each value in every one of them.

    Args:
        counts: for each mask.
        ignored: the value of what is neither learned nor scored.
        where: their folder, for an error.
        total: pixels of all masks, of which some may have several values.

    Raises:
        DataError: all are empty.
    """
    pixels: Counter[int] = Counter()
    cases: Counter[int] = Counter()
    for each in counts:
        pixels.update(each)
        cases.update(each.keys())
    values = tuple(sorted({0, *cases} - ({ignored} - {None})))
    if values == (0,):
        raise DataError(f"{where}: all masks are empty (0 everywhere); give masks of something")
    present = tuple(frozenset(each) - {0, ignored} for each in counts)
    return Masks(
        values,
        {value: cases[value] for value in values},
        {value: pixels[value] / total for value in values},
        sum(not found for found in present),
        present,
    )
