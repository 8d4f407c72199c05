"""Ways to spoil one file of a clean data set: each gives the code and the file that verify must name."""

from tests.verify.damages import files, geometry, intensities, labels, parts
from tests.verify.damages.registry import EYES, PHOTOGRAPHS, VOLUMES, image, mask, pixels, values

__all__ = [
    "EYES",
    "PHOTOGRAPHS",
    "VOLUMES",
    "files",
    "geometry",
    "image",
    "intensities",
    "labels",
    "mask",
    "parts",
    "pixels",
    "values",
]
