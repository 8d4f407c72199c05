"""Masks drawn in an eye's coordinates: (-1, -1) at the top left of the photograph, (1, 1) at the bottom right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["Array", "Ink"]

Array = NDArray[Any]
_OVERSAMPLE = 4  # masks are drawn this much larger, then averaged


class Ink:
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
