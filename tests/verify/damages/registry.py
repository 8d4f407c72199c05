"""The damages by name, for each of the clean data sets, and what writing one needs."""

import gzip

import nibabel as nib
import numpy as np
from PIL import Image

VOLUMES, PHOTOGRAPHS, EYES = {}, {}, {}


def damage(code, *tables):
    def register(function):
        for table in tables:
            table[function.__name__] = (code, function)
        return function

    return register


def image(folder, number):
    """The image of a case, in whichever of the data sets."""
    return next(path for path in sorted(folder.glob("image*/*")) if path.name[1:4] == f"{number:03}")


def mask(folder, number):
    return next(
        path
        for path in sorted([*folder.glob("labels*/*"), *folder.glob("masks/*")])
        if path.name[1:4] == f"{number:03}"
    )


def values(path):
    return np.asanyarray(nib.load(path).dataobj).copy()


def pixels(path):
    return np.asarray(Image.open(path)).copy()


def header_of(path, change):
    """Rewrite the NIfTI header in place; gzip anew, so that only the header is at fault."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    change(content)
    path.write_bytes(gzip.compress(bytes(content)))
    return path
