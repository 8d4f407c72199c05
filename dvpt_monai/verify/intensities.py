"""Values of images, and the ways of storing them that readers take differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.formats.image import is_sliver
from dvpt_monai.verify.facts import Facts, ImageFacts
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.reading import Scan
from dvpt_monai.verify.stored import Header, Photograph

__all__ = ["image_faults", "number", "unlike_faults"]

NAN = Kind(
    "nan", "intensities", "NaN or infinite values",
    why="one such voxel makes every weight NaN in training, and an empty mask in prediction",
    remedy="convert the image again, or set these voxels to the value of the background",
)  # fmt: skip
CONSTANT = Kind(
    "constant", "intensities", "An image of one value",
    why="it shows nothing, yet its label is learned",
    remedy="fetch or export the image again, or move its case away",
    fatal=False,
)  # fmt: skip
UNITS = Kind(
    "units", "intensities", "Intensities far from those of all other images",
    why="a case in other units (Hounsfield units and raw counts, 0-1 and 0-255) is noise to the network, unless each "
    "image is normalised by itself",
    remedy="export it as the others were; many such images in MRI are another scanner: normalise each by itself",
    fatal=False,
)  # fmt: skip
DEPTH = Kind(
    "depth", "intensities", "Another number of bits than the others",
    why="a fixed division by 255 or 65,535 leaves it black or white",
    remedy="save all images with one type of values",
    fatal=False,
)  # fmt: skip
ALPHA = Kind(
    "alpha", "intensities", "A channel of transparency",
    why="some readers count it as a fourth colour, which a network of three refuses",
    remedy="save it as RGB: --fix does where nothing is transparent",
    fatal=False,
)  # fmt: skip
PALETTE = Kind(
    "palette", "intensities", "Colours from a palette",
    why="readers that take the numbers of colours for gray values show another image",
    remedy="save it as RGB: --fix does",
    fatal=False,
)  # fmt: skip
CMYK = Kind(
    "cmyk", "intensities", "Colours for printing (CMYK)",
    why="four channels, inverted by some programs and not by others",
    remedy="save it as RGB: --fix does",
    fatal=False,
)  # fmt: skip
PAGES = Kind(
    "pages", "intensities", "Several pages in one file",
    why="readers take the first and drop the others without a word",
    remedy="save a stack as NIfTI, or keep one page",
)  # fmt: skip
EXIF = Kind(
    "exif", "intensities", "To be turned by its EXIF tag",
    why="viewers turn it and many readers do not, so that masks and predictions lie on other pixels",
    remedy="save it upright: --fix does; then look whether its mask, if any, was drawn on the upright one",
    fatal=False,
)  # fmt: skip
FLOATS = Kind(
    "float-image", "intensities", "A photograph in floating point",
    why="scaled as 8 bits are, values from 0 to 1 become black",
    remedy="save it with 8 or 16 bits",
    fatal=False,
)  # fmt: skip
THIN = Kind(
    "thin", "intensities", "A sliver of an image",
    why="resized to a network's input, nothing of it can be recognised",
    remedy="look at it; crop or export it again",
    fatal=False,
)  # fmt: skip
SLIVER = Kind(
    "sliver", "intensities", "A line and no image",
    why="shrunk to a network's input, nothing of it is left, and training ends there",
    remedy="crop or export it again",
)  # fmt: skip
DIMS = Kind(
    "dims", "intensities", "2D among 3D",
    why="a network takes one of them",
    remedy="keep one kind in one data set",
)  # fmt: skip
CHANNELS = Kind(
    "channels", "intensities", "Another number of channels than the others",
    why="a network takes as many as it was made for: training stops there, or 4D is cut to 3D",
    remedy="export the image with the channels of the others",
)  # fmt: skip
COLOURS = Kind(
    "colours", "intensities", "Gray among colour, or colour among gray",
    why="the way of storing may tell the class: the network learns the camera",
    remedy="see whether it comes from another source",
    fatal=False,
)  # fmt: skip
COARSE = Kind(
    "coarse", "intensities", "Spacing far from that of all other images",
    why="one case in other units (mm and m or micrometres) is resampled to a speck, or fills the memory",
    remedy="correct its header if it is wrong",
    fatal=False,
)  # fmt: skip

ENOUGH = 8
"""Images from which one can tell what is usual."""
_FAR = 8.0
"""Times the usual range or spacing that is far, if it is also far beyond how much images vary."""
_DEVIATIONS = 8.0


def image_faults(path: Path, header: Header, scan: Scan) -> Iterator[Finding]:
    """Faults of one image."""
    sliver = scan.dims == 2 and is_sliver(scan.size)
    if sliver:
        yield SLIVER.at(path, f"{scan.size[0]} x {scan.size[1]} pixels")
    if isinstance(header, Photograph):
        yield from _stored_faults(path, header)
        if not sliver and (min(scan.size) < 8 or max(scan.size) > 20 * min(scan.size)):
            yield THIN.at(path, f"{scan.size[0]} x {scan.size[1]} pixels")
    array = scan.array
    if array.dtype.kind in "fc":
        unfit = array.size - int(np.count_nonzero(np.isfinite(array)))
        if unfit:
            yield NAN.at(path, f"{unfit:,} of {array.size:,} voxels")
            return
    if array.size and array.min() == array.max():
        yield CONSTANT.at(path, f"{array.ravel()[0]:g} everywhere")


def _stored_faults(path: Path, header: Photograph) -> Iterator[Finding]:
    if header.pages > 1:
        yield PAGES.at(path, f"{header.pages} pages")
    if header.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        yield ALPHA.at(path, f"mode {header.mode}")
    if header.mode == "P":
        yield PALETTE.at(path, "mode P")
    if header.mode == "CMYK":
        yield CMYK.at(path, "mode CMYK")
    if header.mode == "F":
        yield FLOATS.at(path, "32 bits")
    if header.turn != 1:
        yield EXIF.at(path, f"orientation {header.turn}")


def unlike_faults(facts: Sequence[Facts]) -> Iterator[Finding]:
    """Images unlike all others: in dimensions, channels, type of values, range or spacing."""
    seen = [(each.case.image, each.image) for each in facts if each.image is not None]
    if len(seen) < 2:
        return
    dims = Counter(image.dims for _, image in seen).most_common(1)[0][0]
    yield from (DIMS.at(path, f"{image.dims}D, most are {dims}D") for path, image in seen if image.dims != dims)
    seen = [(path, image) for path, image in seen if image.dims == dims]
    channels = Counter(image.channels for _, image in seen).most_common(1)[0][0]
    for path, image in seen:
        if image.channels != channels:
            kind = COLOURS if len(image.size) == 2 else CHANNELS
            yield kind.at(path, f"{image.channels}, most have {channels}")
    if len(seen) < ENOUGH:
        return
    yield from _outliers(seen)


def _outliers(seen: Sequence[tuple[Path, ImageFacts]]) -> Iterator[Finding]:
    if len(seen[0][1].size) == 2:
        kinds = Counter(image.kind for _, image in seen)
        usual = kinds.most_common(1)[0][0]
        yield from (DEPTH.at(path, f"{image.kind}, most are {usual}") for path, image in seen if image.kind != usual)
    ranges = np.array([[image.low, image.high] for _, image in seen])
    wide = ranges[:, 1] - ranges[:, 0]
    middle = float(np.median(wide))
    shifted = _beyond(ranges.mean(axis=1), middle) if middle > 0 else np.zeros(len(seen), bool)
    far = _beyond(np.log(np.maximum(wide, 1e-12)), float(np.log(_FAR))) | shifted
    for (path, image), odd in zip(seen, far & (wide > 0), strict=True):
        if odd:
            low, high = np.median(ranges, axis=0)
            yield UNITS.at(
                path, f"{number(image.low)} to {number(image.high)}; usual is {number(low)} to {number(high)}"
            )
    if seen[0][1].spacing:
        spacings = np.log([float(np.prod(image.spacing)) or 1e-12 for _, image in seen]) / 3
        for (path, image), odd in zip(seen, _beyond(spacings, float(np.log(_FAR))), strict=True):
            if odd:
                yield COARSE.at(path, " x ".join(f"{mm:.3g}" for mm in image.spacing) + " mm")


def number(value: float) -> str:
    """A value in as few digits as tell it.

    Example:
        >>> number(0.12345), number(123456.7)
        ('0.1235', '123,457')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _beyond(values: NDArray[Any], least: float) -> NDArray[Any]:
    """Which values lie further from the median than `least`, and than the spread of most of them explains."""
    apart = np.abs(values - np.median(values))
    return apart > max(least, _DEVIATIONS * 1.4826 * float(np.median(apart)))
