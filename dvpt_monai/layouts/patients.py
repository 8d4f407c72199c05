"""Whose images they are: told by the user, or found in the folders and the names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from dvpt_monai.errors import DataError
from dvpt_monai.layouts.files import stem_of
from dvpt_monai.layouts.listing import Case, Listing, Note, part_of

__all__ = ["grouped"]

NAMED = re.compile(r"(?P<who>.*?\d+)(?:[-_ ].+|[A-Za-z])")
"""Names such as patient012_03 and P01a: what ends in a number, and more behind it."""
ENOUGH = 4
"""Patients that a split needs to have something to divide."""
ALONE = "--group-pattern '.+' lets each image stand alone"


def grouped(listing: Listing, pattern: str | None = None) -> Listing:
    r"""Bind the cases of a patient, where a pattern tells whose they are, else where folders or names do.

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
        return listing if any(case.group for case in listing.cases) else _recognised(listing)
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


def _recognised(listing: Listing) -> Listing:
    by_folder = _folders(listing)
    owners = by_folder or _names(listing.cases)
    if not owners:
        return listing
    parts: dict[str, set[str]] = defaultdict(set)
    for case, owner in zip(listing.cases, owners, strict=True):
        parts[owner].add(case.part)
    what = "folders" if by_folder else "names"
    divided = sorted(owner for owner, found in parts.items() if len(found) > 1)
    if divided:
        text = (
            f"{len(divided)} patients by their {what}, such as {divided[0]!r}, are in "
            f"{' and '.join(sorted(parts[divided[0]]))}: the test would ask what was learned; move them into one part"
        )
        return replace(listing, notes=(*listing.notes, Note(text, "--group-pattern", warning=True)))
    count = Counter(owners)
    (owner, most) = count.most_common(1)[0]
    text = f"{len(count)} patients by their {what}, such as {owner!r} with {most} images, each stays in one part"
    bound = tuple(replace(case, group=owner) for case, owner in zip(listing.cases, owners, strict=True))
    return replace(listing, cases=bound, notes=(*listing.notes, Note(text, ALONE)))


def _folders(listing: Listing) -> list[str]:
    """The outermost folders that are numbered and hold several images each; empty if there are none."""
    inside = []
    for case in listing.cases:
        folders = PurePosixPath(listing.below(case.image)).parent.parts
        inside.append([name for name in folders if not part_of(name) and name != case.label])
    depth = max((len(folders) for folders in inside), default=0)
    for level in range(depth):
        names = [folders[level] if level < len(folders) else "" for folders in inside]
        if all(re.search(r"\d", name) for name in names) and _divides(names):
            return names
    return []


def _names(cases: Sequence[Case]) -> list[str]:
    found = [NAMED.fullmatch(stem_of(case.image)) for case in cases]
    owners = [match["who"] for match in found if match]
    return owners if len(owners) == len(cases) and _divides(owners) else []


def _divides(owners: Sequence[str]) -> bool:
    """Whether these could be patients: enough of them, and most with several images."""
    return ENOUGH <= len(set(owners)) <= len(owners) / 1.5
