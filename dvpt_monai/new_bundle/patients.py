"""Whose images they are, by their names: told by the user, or only hinted at."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.files import stem_of
from dvpt_monai.new_bundle.listing import Case, Listing, Note

__all__ = ["grouped"]

LIKELY = re.compile(r"(?P<who>.*?\d+)[-_ ].+")
"""Names such as patient012_03: what ends in a number, and more behind it."""


def grouped(listing: Listing, pattern: str | None = None) -> Listing:
    r"""Bind the cases of a patient, where a pattern tells whose they are; else only say that names look like it.

    Args:
        listing: the cases.
        pattern: a regular expression that finds the patient in an image's path below the folder of the data: its first
            group, or all that it matches.

    Raises:
        DataError: the pattern is none, or does not match an image.

    Example:
        >>> from pathlib import Path
        >>> cases = tuple(Case(Path(f"/eyes/p{i // 2:02}_{i}.png"), "a") for i in range(4))
        >>> [case.group for case in grouped(Listing("", Path("/eyes"), cases), r"p\d+").cases]
        ['p00', 'p00', 'p01', 'p01']
    """
    if pattern is None:
        return replace(listing, notes=(*listing.notes, *_hint(listing)))
    try:
        rule = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"--group_pattern {pattern!r} is no regular expression ({error}); 'patient\\d+' is one"
        ) from error
    bound = []
    for case in listing.cases:
        name = listing.below(case.image)
        found = rule.search(name)
        group = (found[1] if rule.groups else found[0]) if found else None
        if not group:
            raise DataError(f"{case.image}: --group_pattern {pattern!r} finds no patient in {name!r}; correct it")
        bound.append(replace(case, group=group))
    count = len({case.group for case in bound})
    note = Note(f"{count} groups by their names keep cases together, such as {bound[0].group!r}", "--group_pattern")
    return replace(listing, cases=tuple(bound), notes=(*listing.notes, note))


def _hint(listing: Listing) -> list[Note]:
    if any(case.group for case in listing.cases):
        return []
    owners = [_owner(case) for case in listing.cases]
    counts = Counter(owner for owner in owners if owner)
    if None in owners or len(counts) < 2 or len(counts) > len(owners) / 1.5:
        return []
    (owner, count) = counts.most_common(1)[0]
    plain = r"\d+".join(re.escape(part) for part in re.split(r"\d+", owner))
    return [
        Note(
            f"{count} names begin with {owner!r}: are they of one patient? Then --group_pattern '({plain})[-_ ]' keeps "
            "each patient in one part; without it the test may show patients that were learned",
            warning=True,
        )
    ]


def _owner(case: Case) -> str | None:
    found = LIKELY.fullmatch(stem_of(case.image))
    return found["who"] if found else None
