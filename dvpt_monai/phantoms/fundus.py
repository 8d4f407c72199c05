"""A fundus phantom: a painted photograph of a retina with the lesions of diabetic retinopathy.

The eye's coordinates are (-1, -1) at the top left of the photograph and (1, 1) at the bottom right; x grows away from
the nose, and half of the eyes are mirrored at the end. Light is absorbed, so vessels and blood multiply the colours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.phantoms.clouds import clouds
from dvpt_monai.phantoms.ink import Array, Ink
from dvpt_monai.phantoms.lesions import paint_lesions
from dvpt_monai.phantoms.vessels import draw_vessels

__all__ = ["draw_fundus", "draw_lesions"]


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
        spot = Ink(size)
        spot.blob(rng, disc + (share < 1) * rng.uniform(-0.02, 0.02, 2), radius * share, 0.06, 1.06, np.pi / 2)
        image += spot.mask(0.016) * strength * (np.array(colour, np.float32) * min(1, ground[0] + 0.25) - image)
        masks.setdefault("OD", spot.area_of())

    veins, arteries, reflex = draw_vessels(rng, size, disc, fovea)
    image *= 1 - veins * np.array([0.27, 0.53, 0.46], np.float32)
    image *= 1 - arteries * np.array([0.14, 0.42, 0.4], np.float32)
    image += reflex * np.array([0.08, 0.05, 0.03], np.float32)

    lesions = np.random.default_rng([7919, *np.atleast_1d(seed)])
    dme_risk, inks = paint_lesions(lesions, image, grade, disc, fovea, radius)
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
