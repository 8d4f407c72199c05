"""Images that are the same, value for value or by their looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dvpt_monai.verify import ImageFacts, alike

__all__ = ["copies_of"]


def copies_of(images: Sequence[ImageFacts]) -> list[list[int]]:
    """The places of images that are copies of each other, set by set.

    Photographs are so also by their looks; volumes of one template, such as brains without skulls, look too much alike.
    """
    leader = list(range(len(images)))

    def first(place: int) -> int:
        while leader[place] != place:
            place = leader[place]
        return place

    earliest: dict[str, int] = {}
    for place, image in enumerate(images):
        if image.low < image.high:  # blank images are alike, but not copies
            leader[place] = earliest.setdefault(image.content, place)
    drawn: dict[int, list[int]] = defaultdict(list)
    for place, image in enumerate(images):
        if image.sketch is not None and not image.spacing:
            drawn[image.sketch.size].append(place)
    for places in drawn.values():
        sketches = [sketch for place in places if (sketch := images[place].sketch) is not None]
        for one, other in alike(sketches):
            low, high = sorted((first(places[one]), first(places[other])))
            leader[high] = low
    sets: dict[int, list[int]] = defaultdict(list)
    for place in range(len(images)):
        sets[first(place)].append(place)
    return [places for places in sets.values() if len(places) > 1]
