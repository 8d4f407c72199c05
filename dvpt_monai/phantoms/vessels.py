"""The vessels of a fundus phantom: arcades that leave the disc, branch, and go round the fovea."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from dvpt_monai.phantoms.ink import Array, Ink

__all__ = ["draw_vessels", "walk"]


def walk(
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


def draw_vessels(rng: Generator, size: int, disc: Array, fovea: Array) -> tuple[Array, Array, Array]:
    """Masks of veins, arteries and the light reflex along the arteries."""
    inks = {"vein": Ink(size), "artery": Ink(size), "reflex": Ink(size)}

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
            branch = walk(rng, path[at], turned, heading + side * 0.5, reach, 2.0, 0.4)
            grow(kind, branch, widths[at] * 0.55, depth + 1)
            at += int(rng.integers(9, 21))
            side = -side

    for up in (-1, 1):
        for kind, width, lag in (("vein", 0.036, 0.0), ("artery", 0.026, rng.choice([-0.3, 0.3]))):
            start = disc + rng.uniform(-0.025, 0.025, 2)
            steep, flat = up * (1.75 + lag + rng.uniform(-0.15, 0.15)), up * (-0.12 + lag / 4)
            grow(kind, walk(rng, start, steep, flat, 2.1, rng.uniform(1.8, 2.4), 0.17), width, 0)  # temporal arcade
            nasal = up * rng.uniform(2.2, 2.7) + lag / 3
            grow(kind, walk(rng, start, up * 1.9, nasal, 0.9, 4.0, 0.25), width * 0.6, 0)
    for _ in range(4):  # fine vessels from the disc to the macula
        grow("vein", walk(rng, disc, rng.uniform(-0.9, 0.9), rng.uniform(-0.2, 0.2), 0.5, 2.5, 0.3), 0.009, 1)
    return inks["vein"].mask(0.005), inks["artery"].mask(0.005), inks["reflex"].mask(0.004)
