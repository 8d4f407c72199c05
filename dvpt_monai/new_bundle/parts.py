"""Which cases train, validate and test: as the data say, else by a seeded split that divides no patient."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dvpt_monai.data import fold_cases
from dvpt_monai.errors import DataError
from dvpt_monai.layouts.listing import Case, Listing, Note
from dvpt_monai.new_bundle.set_aside import classes_of, division, set_aside

__all__ = ["Parts", "place"]


@dataclass(frozen=True)
class Parts:
    """Cases in parts.

    Args:
        cases: each with its part.
        folds: of the training cases, for validation; 0 where a part of its own validates.
        validating: cases that validate, in the fold that a training takes unless told.
        ranked: whether two classes are in the validation, whichever fold it is: an AUC needs them.
        notes: what was assumed.
        fold_seed: what the folds are drawn with.
    """

    cases: tuple[Case, ...]
    folds: int
    validating: int
    ranked: bool
    notes: tuple[Note, ...]
    fold_seed: int = 0

    @property
    def training(self) -> int:
        """Cases that a training learns from."""
        return self.count("train") - (self.validating if self.folds else 0)

    def count(self, part: str) -> int:
        """Cases of a part."""
        return sum(case.part == part for case in self.cases)


def place(
    listing: Listing,
    numbers: dict[str, int],
    seed: int = 0,
    structures: Mapping[int, str] | None = None,
    present: Sequence[frozenset[int]] = (),
) -> Parts:
    """Give every case a part; about a fifth tests where the data do not say what does.

    Args:
        listing: the cases.
        numbers: the classes by their names; empty for masks.
        seed: another seed, another test set.
        structures: names of the values in masks.
        present: the values in the mask of each case, by which test and folds are drawn.

    Raises:
        DataError: too few cases, of a class or at all, or a patient in two parts.
    """
    cases: Sequence[Case] = listing.cases
    shown = {case.image: values for case, values in zip(cases, present, strict=bool(present))}
    _check_classes(cases, numbers)
    _check_groups(cases)
    grouped = any(case.group for case in cases)
    if grouped:  # a table has a column of groups or none: who stands alone is a group of one
        cases = [case if case.group else replace(case, group=listing.below(case.image)) for case in cases]
    notes = []
    given = Counter(case.part or "train" for case in cases)
    known = any(case.part for case in cases)
    placed = [case if case.part else replace(case, part="train") for case in cases]
    if known:
        counts = ", ".join(f"{given[part]} {part}" for part in ("train", "validation", "test") if given[part])
        notes.append(Note(f"the parts are those of the data: {counts}"))
    if not given["test"]:
        rows = [_row(case, numbers, listing, shown) for case in placed if case.part == "train"]
        aside = set_aside(rows, seed, spread=bool(shown))
        placed = [replace(case, part="test") if str(case.image) in aside.images else case for case in placed]
        whole = ", whole groups" if grouped else ""
        text = f"{len(aside.images)} of {len(rows)} are set aside for testing, by seed {aside.seed}{whole}"
        keep = f"--seed {aside.seed} keeps them when cases are added; or folders or a column of parts"
        notes.append(Note(text, keep))
        absent = [name for name, number in numbers.items() if number in aside.untested]
        if absent:
            remedy = "add cases" if aside.better is None else f"--seed {aside.better} tests every class"
            notes.append(Note(f"no test case is of class {', '.join(absent)}", remedy, warning=True))
    drawn_by = 0
    if given["validation"]:
        folds, validating = 0, [[_row(case, numbers, listing, shown) for case in placed if case.part == "validation"]]
    else:
        rows = [_row(case, numbers, listing, shown) for case in placed if case.part == "train"]
        folds, drawn_by = division(rows)
        if folds < 2:
            raise DataError(f"{len(rows)} training cases of one group or fold leave none to validate on; give more")
        validating = fold_cases(rows, folds, drawn_by)  # as the config does
        notes.append(Note(f"one of {folds} folds of the rest validates", "--fold, --folds of the training"))
        notes += _without_classes(validating, numbers)
    learned = {case.label for case in placed if case.part == "train"}
    lacking = [name for name in numbers if name not in learned]
    if lacking:
        raise DataError(
            f"class {lacking[0]!r} has no case to train on, only others; add some, leave the class out, or choose "
            "another --seed"
        )
    ranked = all(len({row["label"] for row in rows}) > 1 for rows in validating)
    testing = [_row(case, numbers, listing, shown) for case in placed if case.part == "test"]
    for part, rows in (("validation", validating[0]), ("test", testing)):
        notes += _without_structures(part, rows, structures or {})
    return Parts(tuple(placed), folds, len(validating[0]), ranked, tuple(notes), drawn_by)


def _without_classes(folds: Sequence[Sequence[dict[str, Any]]], numbers: Mapping[str, int]) -> list[Note]:
    """A warning for each class that some fold cannot validate."""
    absent = {name: sum(number not in classes_of(rows) for rows in folds) for name, number in numbers.items()}
    return [
        Note(f"class {name} is absent from the validation of {count} of {len(folds)} folds: their scores say nothing "
             "of it", "add cases of it", warning=True)
        for name, count in absent.items() if count
    ]  # fmt: skip


def _without_structures(part: str, rows: Sequence[dict[str, Any]], structures: Mapping[int, str]) -> list[Note]:
    """A warning where no mask of a part shows some structure, so that its score there says nothing."""
    lacking = [name for value, name in structures.items() if value not in classes_of(rows)] if rows else []
    if not lacking:
        return []
    empty = " (all of its masks are empty)" if classes_of(rows) == {-1} else ""
    text = f"no mask of the {part} shows {', '.join(lacking)}{empty}: its score says nothing of them"
    return [Note(text, "add cases that show them, or --seed of another test", warning=True)]


def _row(case: Case, numbers: dict[str, int], listing: Listing, shown: Mapping[Path, frozenset[int]]) -> dict[str, Any]:
    """A case as the lists of :mod:`dvpt_monai.data` have it, with the structures in its mask."""
    label = numbers.get(str(case.label), str(case.label))
    row: dict[str, Any] = {"image": str(case.image), "label": label, "name": listing.below(case.image)}
    row |= {"shown": shown[case.image]} if shown else {}
    return {**row, "group": case.group} if case.group else row


def _check_classes(cases: Sequence[Case], numbers: dict[str, int]) -> None:
    counts = Counter(str(case.label) for case in cases)
    rare = [name for name in numbers if counts[name] < 2]
    if rare:
        only = next(case.image for case in cases if case.label == rare[0])
        raise DataError(
            f"{only}: the only case of class {rare[0]!r}; a class needs one to learn from and one to test, better ten. "
            "Add some, or leave the class out"
        )


def _check_groups(cases: Sequence[Case]) -> None:
    parts: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.group and case.part:
            parts[case.group].add(case.part)
    for group, found in parts.items():
        if len(found) > 1:
            raise DataError(
                f"group {group!r} is in {' and '.join(sorted(found))}: a test would ask about patients that were "
                "learned; move its images into one part, or choose another --group_column"
            )
