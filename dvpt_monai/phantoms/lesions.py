"""The lesions of diabetic retinopathy on a fundus phantom: more of them and graver with each grade."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from PIL import ImageChops

from dvpt_monai.phantoms.ink import Array, Ink
from dvpt_monai.phantoms.vessels import walk

__all__ = ["LESIONS", "paint_lesions"]

LESIONS = ("MA", "HE", "EX", "SE", "OD")
"""Microaneurysms, haemorrhages, hard and soft exudates, optic disc: the names of IDRiD."""


def paint_lesions(
    rng: Generator, image: Array, grade: int, disc: Array, fovea: Array, radius: float
) -> tuple[int, dict[str, Ink]]:
    """Paint what the grade asks for into `image`; the risk of macular oedema, and where the lesions are."""
    if grade == 0:
        return 0, {}
    size = len(image)

    def place(reach: float = 0.84) -> Array:
        """A place in the field, outside the disc."""
        while True:
            at = rng.uniform(-reach, reach, 2)
            if np.hypot(*at) < reach and np.hypot(*(at - disc)) > 1.3 * radius:
                return at.astype(np.float32)

    def several(low: int, high: int) -> range:
        return range(int(rng.integers(low, high + 1)))

    def blend(mask: Array, colour: tuple[float, float, float], strength: float) -> None:
        image[...] += mask * strength * (np.array(colour, np.float32) * (0.6 + 0.5 * image[..., :1]) - image)

    # cotton-wool spots: pale, soft
    wool = Ink(size)
    for _ in several(*((0, 0), (0, 0), (2, 4), (3, 6))[grade - 1]):
        at = place(0.7)
        for _ in range(5):
            wool.blob(rng, at + rng.normal(0, 0.022, 2), rng.uniform(0.025, 0.045), 0.5)
    blend(wool.mask(0.018), (1.0, 0.9, 0.7), 0.6)

    # hard exudates: yellow grains in clusters and rings; near the fovea they threaten sight
    grains, nearest = Ink(size), math.inf
    for _ in several(*((0, 0), (1, 2), (3, 4), (4, 6))[grade - 1]):
        centre = fovea + rng.normal(0, 0.22, 2) if rng.random() < 0.6 else place(0.65)
        ring, turn = rng.uniform(0.04, 0.1), rng.uniform(0, 2 * np.pi)
        for _ in several(12, 26):
            angle, out = turn + rng.normal(0, 1.3), ring * (1 + rng.normal(0, 0.3))
            at = centre + out * np.array([math.cos(angle), math.sin(angle)])
            if np.hypot(*(at - disc)) > 1.2 * radius:
                grains.blob(rng, at, rng.uniform(0.005, 0.013), 0.4, rng.uniform(1, 1.6), angle)
                nearest = min(nearest, float(np.hypot(*(at - fovea))))
    blend(grains.mask(0.003), (1.05, 0.9, 0.42), 0.9)

    # microaneurysms: red dots; haemorrhages: dots, blots, and flames along the nerve fibres
    dots, red = Ink(size), Ink(size)
    for _ in several(*((5, 9), (14, 20), (28, 38), (42, 56))[grade - 1]):
        dots.blob(rng, place(), rng.uniform(0.009, 0.014), 0.15)
    for _ in several(*((0, 0), (4, 7), (14, 20), (24, 32))[grade - 1]):
        at = place()
        if rng.random() < 0.3:
            along = math.atan2(*(at - disc)[::-1])
            red.blob(rng, at, rng.uniform(0.012, 0.02), 0.5, rng.uniform(2.5, 4), along)
        else:
            red.blob(rng, at, rng.uniform(0.016, 0.034), 0.35, rng.uniform(1, 1.5), rng.uniform(0, np.pi))
    inks = {"MA": dots, "HE": red, "EX": grains, "SE": wool}
    both = Ink(size)
    both.image = ImageChops.lighter(dots.image, red.image)
    stain = both.mask(0.005)

    if grade == 4:  # new vessels, in tangles at the disc and elsewhere, and blood before the retina, level above
        tangle, pool = Ink(size), Ink(size)
        for root in (disc, place(0.6)):
            for _ in several(9, 13):
                heading = rng.uniform(0, 2 * np.pi)
                curl = walk(rng, root, heading, heading + rng.normal(0, 3), rng.uniform(0.18, 0.34), 5.0, 1.3)
                tangle.stroke(curl, np.full(len(curl), 0.008, np.float32))
        stain = np.maximum(stain, 0.85 * tangle.mask(0.004))
        wide, half = rng.uniform(0.14, 0.22), np.linspace(0, np.pi, 20)
        pool.area(place(0.6) + wide * np.stack([np.cos(half), 0.6 * np.sin(half)], 1))
        stain = np.maximum(stain, pool.mask(0.008))
        red.image = ImageChops.lighter(red.image, pool.image)
    image *= 1 - stain * np.array([0.42, 0.72, 0.66], np.float32)

    risk = 0 if math.isinf(nearest) else 2 if nearest < 2 * radius else 1
    return risk, inks
