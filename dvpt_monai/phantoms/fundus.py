"""A fundus phantom: a painted photograph of a retina with the lesions of diabetic retinopathy.

The eye's coordinates are (-1, -1) at the top left of the photograph and (1, 1) at the bottom right; x grows away from
the nose, and half of the eyes are mirrored at the end. Light is absorbed, so vessels and blood multiply the colours.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.clouds import clouds

Array = NDArray[Any]
_OVERSAMPLE = 4  # masks are drawn this much larger, then averaged
LESIONS = ("MA", "HE", "EX", "SE", "OD")
"""Microaneurysms, haemorrhages, hard and soft exudates, optic disc: the names of IDRiD."""


class _Ink:
    """A mask, drawn large in the eye's coordinates."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.half = size * _OVERSAMPLE / 2
        self.image = Image.new("L", (size * _OVERSAMPLE, size * _OVERSAMPLE))
        self.draw = ImageDraw.Draw(self.image)

    def stroke(self, points: Array, widths: Array) -> None:
        """A line of changing width through `points` (N, 2)."""
        pixels = (points + 1) * self.half
        for (x0, y0), (x1, y1), width in zip(pixels[:-1], pixels[1:], widths * self.half, strict=False):
            self.draw.line((x0, y0, x1, y1), 255, max(1, round(width)))
            if width > _OVERSAMPLE:  # a joint of thinner lines is not seen
                radius = width / 2
                self.draw.ellipse((x1 - radius, y1 - radius, x1 + radius, y1 + radius), 255)

    def area(self, outline: Array) -> None:
        """What a closed line through `outline` (N, 2) encloses."""
        self.draw.polygon([(float(x), float(y)) for x, y in (outline + 1) * self.half], 255)

    def blob(
        self, rng: Generator, at: Array, radius: float, rough: float, stretch: float = 1.0, turn: float = 0.0
    ) -> None:
        """An irregular spot: a circle with a rough rim, `stretch` times as long as wide along the angle `turn`."""
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        rim = np.ones(24)
        for waves in (2, 3, 5):
            rim += rough * rng.uniform(-0.6, 0.6) * np.cos(waves * angle + rng.uniform(0, 2 * np.pi))
        x, y = radius * stretch * rim * np.cos(angle), radius * rim * np.sin(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        self.area(np.stack([x * cos - y * sin, x * sin + y * cos], 1) + at)

    def mask(self, blur: float = 0.0) -> Array:
        """The mask at its real size, (H, W, 1) in [0, 1]; `blur` is the radius in the eye's coordinates."""
        small = self.image.reduce(_OVERSAMPLE)
        if blur:
            small = small.filter(ImageFilter.GaussianBlur(blur * self.size / 2))
        return np.asarray(small, np.float32)[..., None] / 255

    def area_of(self) -> NDArray[np.bool_]:
        """The pixels (H, W) of which a third is covered: the smallest lesions are about one pixel."""
        return self.mask()[..., 0] > 1 / 3


def draw_fundus(grade: int, size: int = 128, seed: Any = 0) -> tuple[NDArray[np.uint8], int]:
    """Paint one fundus phantom.

    The eye depends on the seed only: with another grade, the same eye has other lesions; another size is the same eye.

    Args:
        grade: 0 no lesion; 1 a few microaneurysms; 2 more, with haemorrhages and exudates; 3 many, with cotton-wool
            spots; 4 also new vessels and a large haemorrhage.
        size: width and height, in pixels.
        seed: whatever NumPy's default_rng takes.

    Returns:
        The image, RGB of **Shape** (size, size, 3), and its risk of macular oedema, 0 to 2.

    Raises:
        DataError: if the grade is not one of 0 to 4.

    Example:
        >>> image, dme_risk = draw_fundus(grade=0, size=64)
        >>> image.shape, dme_risk
        ((64, 64, 3), 0)
    """
    image, dme_risk, _ = _draw(grade, size, seed)
    return image, dme_risk


def draw_lesions(grade: int, size: int = 128, seed: Any = 0) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """Paint one fundus phantom, and say where its lesions and its disc are.

    Args:
        grade: as of `draw_fundus`, which gives the same image.
        size: width and height, in pixels.
        seed: whatever NumPy's default_rng takes.

    Returns:
        The image, RGB of **Shape** (size, size, 3), and a mask of **Shape** (size, size) for each lesion that the image
        has: MA microaneurysms, HE haemorrhages, EX hard and SE soft exudates, OD the optic disc. New vessels have none.

    Raises:
        DataError: if the grade is not one of 0 to 4.

    Example:
        >>> image, masks = draw_lesions(grade=2, size=64)
        >>> sorted(masks)
        ['EX', 'HE', 'MA', 'OD']
    """
    image, _, masks = _draw(grade, size, seed)
    return image, masks


def _draw(grade: int, size: int, seed: Any) -> tuple[NDArray[np.uint8], int, dict[str, NDArray[np.bool_]]]:
    """The image, its risk of macular oedema, and the mask of every lesion in it."""
    if grade not in range(5):
        raise DataError(f"draw_fundus: grade={grade} is out of range 0..4")
    rng = np.random.default_rng(seed)
    mirrored = rng.random() < 0.5
    axis = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    y, x = axis[:, None], axis[None, :]
    disc = np.array([rng.uniform(-0.68, -0.42), rng.uniform(-0.1, 0.06)], np.float32)
    fovea = disc + np.array([rng.uniform(0.6, 0.68), rng.uniform(0.04, 0.12)], np.float32)

    def around(centre: Array, radius: float) -> Array:
        hill: Array = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))[..., None]
        return hill

    # the ground: between salmon and dark orange, brighter where the flash falls, mottled by the choroid
    ground = np.array([rng.uniform(0.62, 0.86), 0, 0], np.float32)
    ground[1] = ground[0] * rng.uniform(0.38, 0.54)
    ground[2] = ground[1] * rng.uniform(0.22, 0.62)
    flash = np.array([rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.25)], np.float32)
    light = 0.62 + 0.46 * around(flash, 0.75) + 0.04 * clouds(rng, 4, (size, size))[..., None]
    image = ground * light
    mottle = 0.03 * clouds(rng, 12, (size, size)) + 0.02 * clouds(rng, 40, (size, size))
    image *= 1 + mottle[..., None] * np.array([0.7, 1.2, 1.2], np.float32)
    image *= 1 - around(fovea, 0.11) * np.array([0.28, 0.42, 0.4], np.float32)
    image *= 1 - around(fovea, 0.035) * np.array([0.12, 0.25, 0.2], np.float32)

    # the disc, with its halo, and the cup within
    radius = rng.uniform(0.13, 0.16)
    image += around(disc, 2.2 * radius) * np.array([0.1, 0.07, 0.035], np.float32)
    masks: dict[str, NDArray[np.bool_]] = {}
    for share, colour, strength in ((1.0, (1.0, 0.72, 0.42), 0.85), (0.5, (1.0, 0.92, 0.66), 0.8)):
        spot = _Ink(size)
        spot.blob(rng, disc + (share < 1) * rng.uniform(-0.02, 0.02, 2), radius * share, 0.06, 1.06, np.pi / 2)
        image += spot.mask(0.016) * strength * (np.array(colour, np.float32) * min(1, ground[0] + 0.25) - image)
        masks.setdefault("OD", spot.area_of())

    veins, arteries, reflex = _vessels(rng, size, disc, fovea)
    image *= 1 - veins * np.array([0.27, 0.53, 0.46], np.float32)
    image *= 1 - arteries * np.array([0.14, 0.42, 0.4], np.float32)
    image += reflex * np.array([0.08, 0.05, 0.03], np.float32)

    lesions = np.random.default_rng([7919, *np.atleast_1d(seed)])
    dme_risk, inks = _lesions(lesions, image, grade, disc, fovea, radius)
    masks |= {name: ink.area_of() for name, ink in inks.items()}

    # the camera: a round field cut off above and below with a notch at its rim, noise, black around it
    distance = np.hypot(x, y)
    image *= (1 - 0.35 * np.clip(distance, 0, 1)[..., None] ** 6).astype(np.float32)
    image += rng.normal(0, 0.012, image.shape).astype(np.float32)
    field = np.clip((0.985 - distance) * size / 4, 0, 1) * (np.abs(y) < 0.86)
    field[(np.abs(x + 0.86) < 0.035) & (np.abs(y + 0.5) < 0.05)] = 0
    image = image * field[..., None] + 0.012 * (1 - field[..., None])
    pixels = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    seen = field > 0.5
    masks = {name: mask & seen for name, mask in masks.items() if (mask & seen).any()}
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        masks = {name: np.ascontiguousarray(mask[:, ::-1]) for name, mask in masks.items()}
    return pixels, dme_risk, masks


def _walk(
    rng: Generator, start: Array, heading: float, target: float, length: float, bend: float, wiggle: float
) -> Array:
    """A path of steps of 0.015 from `start`, that turns from `heading` towards `target` (radians)."""
    step = 0.015
    count = max(3, int(length / step))
    noise = rng.standard_normal(count) * wiggle * math.sqrt(step)
    headings = np.empty(count)
    drift = 0.0
    for k in range(count):
        headings[k] = heading
        drift = 0.85 * drift + noise[k]
        heading += (target - heading) * bend * step + drift
    path = start + np.cumsum(np.stack([np.cos(headings), np.sin(headings)], 1) * step, axis=0)
    return np.concatenate([start[None], path]).astype(np.float32)


def _vessels(rng: Generator, size: int, disc: Array, fovea: Array) -> tuple[Array, Array, Array]:
    """Masks of veins, arteries and the light reflex along the arteries."""
    inks = {"vein": _Ink(size), "artery": _Ink(size), "reflex": _Ink(size)}

    def grow(kind: str, path: Array, width: float, depth: int) -> None:
        keep = np.hypot(*(path - fovea).T) > 0.1  # no vessel crosses the fovea
        path = path[: len(path) if keep.all() else max(2, int(keep.argmin()))]
        widths = np.linspace(width, width * 0.45, len(path)).astype(np.float32)
        inks[kind].stroke(path, widths)
        if kind == "artery" and depth == 0:
            inks["reflex"].stroke(path, widths * 0.3)
        if depth == 2:
            return
        at, side = int(rng.integers(8, 16)), rng.choice([-1, 1])
        while at < len(path) - 3:
            ahead = path[at + 1] - path[at]
            heading = math.atan2(ahead[1], ahead[0])
            turned = heading + side * rng.uniform(0.5, 0.9)
            reach = rng.uniform(0.3, 0.8) if depth == 0 else rng.uniform(0.12, 0.35)
            branch = _walk(rng, path[at], turned, heading + side * 0.5, reach, 2.0, 0.4)
            grow(kind, branch, widths[at] * 0.55, depth + 1)
            at += int(rng.integers(9, 21))
            side = -side

    for up in (-1, 1):
        for kind, width, lag in (("vein", 0.036, 0.0), ("artery", 0.026, rng.choice([-0.3, 0.3]))):
            start = disc + rng.uniform(-0.025, 0.025, 2)
            steep, flat = up * (1.75 + lag + rng.uniform(-0.15, 0.15)), up * (-0.12 + lag / 4)
            grow(kind, _walk(rng, start, steep, flat, 2.1, rng.uniform(1.8, 2.4), 0.17), width, 0)  # temporal arcade
            nasal = up * rng.uniform(2.2, 2.7) + lag / 3
            grow(kind, _walk(rng, start, up * 1.9, nasal, 0.9, 4.0, 0.25), width * 0.6, 0)
    for _ in range(4):  # fine vessels from the disc to the macula
        grow("vein", _walk(rng, disc, rng.uniform(-0.9, 0.9), rng.uniform(-0.2, 0.2), 0.5, 2.5, 0.3), 0.009, 1)
    return inks["vein"].mask(0.005), inks["artery"].mask(0.005), inks["reflex"].mask(0.004)


def _lesions(
    rng: Generator, image: Array, grade: int, disc: Array, fovea: Array, radius: float
) -> tuple[int, dict[str, _Ink]]:
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
    wool = _Ink(size)
    for _ in several(*((0, 0), (0, 0), (2, 4), (3, 6))[grade - 1]):
        at = place(0.7)
        for _ in range(5):
            wool.blob(rng, at + rng.normal(0, 0.022, 2), rng.uniform(0.025, 0.045), 0.5)
    blend(wool.mask(0.018), (1.0, 0.9, 0.7), 0.6)

    # hard exudates: yellow grains in clusters and rings; near the fovea they threaten sight
    grains, nearest = _Ink(size), math.inf
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
    dots, red = _Ink(size), _Ink(size)
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
    both = _Ink(size)
    both.image = ImageChops.lighter(dots.image, red.image)
    stain = both.mask(0.005)

    if grade == 4:  # new vessels, in tangles at the disc and elsewhere, and blood before the retina, level above
        tangle, pool = _Ink(size), _Ink(size)
        for root in (disc, place(0.6)):
            for _ in several(9, 13):
                heading = rng.uniform(0, 2 * np.pi)
                curl = _walk(rng, root, heading, heading + rng.normal(0, 3), rng.uniform(0.18, 0.34), 5.0, 1.3)
                tangle.stroke(curl, np.full(len(curl), 0.008, np.float32))
        stain = np.maximum(stain, 0.85 * tangle.mask(0.004))
        wide, half = rng.uniform(0.14, 0.22), np.linspace(0, np.pi, 20)
        pool.area(place(0.6) + wide * np.stack([np.cos(half), 0.6 * np.sin(half)], 1))
        stain = np.maximum(stain, pool.mask(0.008))
        red.image = ImageChops.lighter(red.image, pool.image)
    image *= 1 - stain * np.array([0.42, 0.72, 0.66], np.float32)

    risk = 0 if math.isinf(nearest) else 2 if nearest < 2 * radius else 1
    return risk, inks
