"""Copies of images and patients in several parts: what was learned by heart must not be asked in a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dvpt_monai.verify.case import Case
from dvpt_monai.verify.facts import Facts
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.sketch import alike

__all__ = ["copy_faults", "group_faults"]

LEAK = Kind(
    "leak", "parts", "One image in two parts of the data",
    why="the test asks what was learned by heart: its score is too good",
    remedy="delete one of the two, best from the training",
)  # fmt: skip
LIKELY_LEAK = Kind(
    "likely-leak", "parts", "Images that look the same, in two parts of the data",
    why="a re-encoded or resized copy in the test was learned by heart: its score is too good",
    remedy="look at both; delete one, best from the training, if they are one",
    fatal=False,
)  # fmt: skip
CONTRADICTION = Kind(
    "contradiction", "parts", "One image with two labels",
    why="one of them is wrong",
    remedy="delete the wrong one",
    fatal=False,
)  # fmt: skip
COPY = Kind(
    "copy", "parts", "The same image twice",
    why="it counts twice, and a random split puts it on both sides",
    remedy="delete one, or keep both in one group",
    fatal=False,
)  # fmt: skip
LIKELY_COPY = Kind(
    "likely-copy", "parts", "Images that look the same",
    why="a re-encoded or resized copy counts twice, and a random split puts it on both sides",
    remedy="look at both; delete one, or keep both in one group",
    fatal=False,
)  # fmt: skip
PATIENT = Kind(
    "patient", "parts", "One patient in two parts of the data",
    why="images of one patient are alike: the test asks what was learned",
    remedy="move all images of the patient into one part",
)  # fmt: skip


def copy_faults(facts: Sequence[Facts]) -> Iterator[Finding]:
    """Images with the values of another, or that look like it; of each set of copies all but the first are named."""
    seen = [(each, each.image) for each in facts if each.image is not None and each.image.low < each.image.high]
    first: dict[str, Facts] = {}
    unique = []
    for each, image in seen:
        other = first.setdefault(image.content, each)
        if other is each:
            unique.append((each, image.sketch))
        else:
            yield from _same(each, other)
    for length in {drawing.size for _, drawing in unique if drawing is not None}:
        drawn = [(each, drawing) for each, drawing in unique if drawing is not None and drawing.size == length]
        known = set[int]()
        for earlier, later in alike([drawing for _, drawing in drawn]):
            if later not in known:
                known.add(later)
                yield _similar(drawn[later][0], drawn[earlier][0])


def _same(each: Facts, other: Facts) -> Iterator[Finding]:
    one, two = each.case, other.case
    if one.label != two.label:
        yield CONTRADICTION.at(one.image, f"{one.label!r}, but {two.label!r} as {_seen_from(one, two)}", two.image)
    if one.part != two.part:
        yield LEAK.at(one.image, f"in {one.part}; {_seen_from(one, two)} in {two.part}", two.image)
    elif one.label == two.label:
        what = f"the values of {_seen_from(one, two)}" if one.image != two.image else "listed twice"
        yield COPY.at(one.image, what, two.image)


def _similar(each: Facts, other: Facts) -> Finding:
    one, two = each.case, other.case
    if one.part != two.part:
        return LIKELY_LEAK.at(one.image, f"in {one.part}; {_seen_from(one, two)} in {two.part}", two.image)
    return LIKELY_COPY.at(one.image, f"looks like {_seen_from(one, two)}", two.image)


def _seen_from(one: Case, two: Case) -> str:
    """The name of another case's image, with its folder where that is another."""
    return two.image.name if two.image.parent == one.image.parent else "/".join(two.image.parts[-2:])


def group_faults(facts: Sequence[Facts]) -> Iterator[Finding]:
    """Groups, such as patients, in several parts."""
    members: dict[str, dict[str, Facts]] = defaultdict(dict)
    for each in facts:
        if each.case.group and each.case.part:
            members[each.case.group].setdefault(each.case.part, each)
    for group, parts in members.items():
        if len(parts) > 1:
            (_, one), *others = parts.items()
            for part, other in others:
                what = f"{group!r} in {part}; {one.case.image.name} in {one.case.part}"
                yield PATIENT.at(other.case.image, what, one.case.image)
