"""A number for each case, drawn from its own name: what parts are made by.

The number depends on the seed, the purpose and the case's group, else its name, and on nothing else: not on the other
cases, their order, the machine, the folder of the data or a library's random generator.

Names that differ in their last digit alone, such as ``eye_30.png`` to ``eye_39.png``, are drawn from one hat: one of
the ten falls into each tenth of the range. So shares come out nearly exact where files are numbered, in each folder for
itself, and on average where they are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.name import name_of
from dvpt_monai.errors import DataError

__all__ = ["Unit", "chance", "draw", "flat", "ordered"]

_LAST_DIGIT = re.compile(r"(.*)([0-9])([^0-9]*)", re.DOTALL)
_SUFFIXES = re.compile(r"(\.[A-Za-z]\w{0,4}){0,2}$")
"""Digits in these are not counted: .jp2, .mp4."""


class Unit(NamedTuple):
    """What may not be divided: one case, or all cases of a group.

    Args:
        chance: its number, at least 0 and below 1.
        cases: in the order of their images.
    """

    chance: float
    cases: list[Case]


def chance(seed: int, purpose: str, key: str) -> float:
    """A number from 0 to below 1, evenly spread over keys; another purpose draws independently.

    Example:
        >>> numbers = [chance(0, "test", f"eye_{number}.png") for number in range(10)]
        >>> [sum(low <= number < low + 0.2 for number in numbers) for low in (0, 0.2, 0.4, 0.6, 0.8)]
        [2, 2, 2, 2, 2]
    """
    key = unicodedata.normalize("NFC", key)  # macOS writes accents apart
    stem = _SUFFIXES.sub("", key)
    numbered = _LAST_DIGIT.fullmatch(stem)
    if numbered is None:
        return _uniform(seed, purpose, key)
    head, digit, tail = numbered.groups()
    hat = f"{head}#{tail}{key[len(stem) :]}"
    return (_ranks(seed, purpose, hat)[int(digit)] + _uniform(seed, purpose, hat)) / 10


@lru_cache(maxsize=1000)
def _ranks(seed: int, purpose: str, hat: str) -> list[int]:
    """The place of each digit in the order in which they are drawn."""
    order = sorted(range(10), key=lambda digit: _uniform(seed, purpose, f"{hat} {digit}"))
    return [order.index(digit) for digit in range(10)]


def _uniform(seed: int, purpose: str, text: str) -> float:
    digest = sha256("\0".join((purpose, str(seed), text)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def draw(cases: list[Case], purpose: str, seed: int, root: PathLike | None = None) -> list[Unit]:
    """The units of a list of cases, by ascending number.

    Args:
        cases: in any order; one whose group is empty, or its own name, stands alone.
        purpose: what the numbers are for.
        seed: another seed, other numbers.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: there are no cases, or one has no name.
    """
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    units: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        group = case.get("group")
        alone = group in (None, "", case.get("name", case["image"]))
        key = f"name {name_of(case, root)}" if alone else f"group {group}"
        units[key].append(case)
    drawn = sorted((chance(seed, purpose, key), key) for key in units)
    return [Unit(number, ordered(units[key])) for number, key in drawn]


def flat(units: list[Unit]) -> list[Case]:
    """The cases of several units, in the order of their images."""
    return ordered([case for unit in units for case in unit.cases])


def ordered(cases: list[Case]) -> list[Case]:
    """Cases in the order of their images."""
    return sorted(cases, key=lambda case: str(case["image"]))
