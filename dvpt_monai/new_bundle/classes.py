"""The classes: their numbers, their names and their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf

from dvpt_monai.errors import DataError
from dvpt_monai.layouts.listing import Note
from dvpt_monai.new_bundle.survey import Survey

__all__ = ["check_words", "given_names", "names_of", "numbers_of", "ordering", "renaming"]


def given_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of ``--names``, also where there is one, or where they are numbers."""
    if names is None:
        return None
    return tuple(str(name) for name in ([names] if isinstance(names, str) else names))


def numbers_of(survey: Survey, given: tuple[str, ...] | None) -> dict[str, int]:
    """Classes in the order of their numbers, where they are numbers; else of the given names, else of their own."""
    names = sorted({str(case.label) for case in survey.listing.cases}, key=_in_order)
    if len(names) == 1:
        raise DataError(f"{survey.listing.root}: all cases are of class {names[0]!r}; a classifier needs two or more")
    if len(names) > 1000:
        raise DataError(
            f"{survey.listing.root}: {len(names)} classes; is this the column of the classes? --label_column"
        )
    if given is not None and not all(map(_is_number, names)):
        # A text says what its cases are: another name by its position would call them what they are not.
        if sorted(given) != sorted(names):
            raise DataError(
                f"--names {list(given)}: the classes of the data are {', '.join(names)}; write these in the order that "
                f'you want, as --names "{names}", or rename them in the data'
            )
        names = list(given)
    return {name: number for number, name in enumerate(names)}


def names_of(
    survey: Survey, numbers: dict[str, int], given: tuple[str, ...] | None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names by number, and what masks hold for each."""
    listed, values = survey.listing.names, tuple[int, ...]()
    labels = tuple(numbers)
    if survey.listing.regions:
        values, labels = (0, *survey.listing.order), (listed[0], *survey.listing.regions)
    elif survey.masks is not None:
        # A structure that no mask shows but dataset.json names is one all the same.
        values = tuple(sorted({*survey.masks.values, *listed}))
        usual = {value: f"label {value}" if len(values) > 2 else "foreground" for value in values} | {0: "background"}
        labels = tuple(listed.get(value, usual[value]) for value in values)
    if given is None:
        return labels, values
    if survey.listing.segments:
        raise DataError(f"--names {list(given)}: the masks name their segments ({', '.join(labels[1:])}); leave it out")
    first = int(bool(values))  # the background has its name
    if len(given) != len(labels) - first or len(set(given)) != len(given):
        raise DataError(
            f"--names: {len(given)} names for {', '.join(labels[first:])}; give one for each, all different, in this "
            "order"
        )
    return labels[:first] + given, values


def check_words(words: Sequence[str]) -> None:
    """Refuse what a config of MONAI reads as something else than a word."""
    for word in words:
        if "#" in word or word[:1] in ("$", "@", "%"):
            raise DataError(f"{word!r}: configs of MONAI give # anywhere and $, @, % in front a meaning; rename it")


def renaming(values: Sequence[str | int], names: Sequence[str]) -> list[Note]:
    """Which value got which of the given names, where they differ."""
    pairs = [(str(value), name) for value, name in zip(values, names, strict=True)]
    if all(value == name for value, name in pairs):
        return []
    named = ", ".join(f"{value} -> {name}" for value, name in pairs)
    return [Note(f"names by the order of the values: {named}", "--names")]


def ordering(labels: Sequence[str], classes: Sequence[str], named: bool, ordered: bool) -> list[Note]:
    """Whether the classes are graded, and who says in which order."""
    alphabetical = not named and not all(_in_order(label)[0] < inf for label in labels)
    if ordered and alphabetical:
        order = " < ".join(classes)
        return [Note(f"the grades are in the order {order}, that of the alphabet; if that is wrong, give theirs",
                     "--names", warning=True)]  # fmt: skip
    if ordered or not (alphabetical or len(classes) > 2):
        return []
    if not alphabetical:
        return [Note("the classes have no order", "--ordered, where they are grades")]
    listed = f"the classes have no order and are numbered by the alphabet: {', '.join(classes)}"
    return [Note(listed, f'--ordered --names "{list(classes)}" in their order, where they are grades')]


def _in_order(name: str) -> tuple[float, str]:
    """Numbers before names, 2 before 10, also in front of a name.

    Example:
        >>> sorted(["b", "10_severe", "2_mild", "a"], key=_in_order)
        ['2_mild', '10_severe', 'a', 'b']
    """
    number = re.match(r"-?\d+", name)
    return (float(number[0]) if number else inf, name)


def _is_number(label: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", label) is not None
