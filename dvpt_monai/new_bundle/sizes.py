"""What of an image the network sees: its size, its grid, its intensities."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10, prod

from dvpt_monai.errors import DataError
from dvpt_monai.layouts.listing import Note
from dvpt_monai.new_bundle.backbone import Architecture
from dvpt_monai.new_bundle.survey import Survey

__all__ = ["cache_rate", "coarse_axis", "patch_of", "size_of", "spacing_of", "unseen", "window_of", "within"]

PATCHES = 8, 12
"""Along each side of a photograph to classify: at least, and at most where each step trains blocks: 144 tokens take a
laptop 20 ms."""
WHOLE = 16, 224
"""Patches along each side, and pixels, at most where no step does: what most backbones were trained with."""
PICTURE = 256
"""Pixels along each side of a photograph to segment, at most."""
WINDOW = 64
"""Voxels along each side of a window, at most: 512 patches of 8."""
WINDOWS = 3
"""A volume is at most so many windows long; larger ones get a coarser spacing."""
APART = 2.5
"""Slices are read each by itself where they lie more than so many times as far apart as the pixels in them."""
MEMORY = 2e9
"""Bytes of prepared images to keep in memory."""


def patch_of(task: str, dims: int, architecture: Architecture, size: tuple[int, ...]) -> int:
    """Pixels or voxels of a patch: the backbone's own for photographs to classify, a finer one otherwise."""
    if dims == 3:
        return 16 if architecture.dims == 3 and architecture.patch > 8 else 8
    if task == "classification":
        return architecture.patch
    return 8 if max(size) <= PICTURE // 2 else 16


def within(survey: Survey, axis: int) -> float:
    """Mm between pixels in slices across an axis, along their coarser side."""
    return max(mm for other, mm in enumerate(survey.spacing) if other != axis)


def coarse_axis(survey: Survey) -> int | None:
    """The axis of volumes along which slices lie far apart; nothing where there is none."""
    far = (axis for axis, mm in enumerate(survey.spacing) if mm > APART * within(survey, axis))
    return next(far, None)


def spacing_of(
    survey: Survey, given: float | Sequence[float] | None, notes: list[Note], coarse: int | None = None
) -> tuple[float, ...]:
    """Mm along each axis; none for photographs. Along a coarse one, slices stay as they are."""
    if survey.dims == 2:
        if given is not None:
            raise DataError("--spacing: photographs have none; leave it out")
        return ()
    if given is not None:
        axes = (given,) * 3 if isinstance(given, (int, float)) else tuple(given)
        if len(axes) != 3 or not all(mm > 0 for mm in axes):
            raise DataError(f"--spacing {given}: give one number of mm, or three")
        return tuple(float(mm) for mm in axes)
    if survey.listing.task == "classification":
        # One scale for all axes, at which the whole volume fits the network: a shape stays that shape.
        seen = [axis for axis in range(3) if axis != coarse]
        scale = max(min(survey.spacing[axis] for axis in seen), *(survey.extent[axis] / WINDOW for axis in seen))
        apart = max(max(survey.spacing), survey.extent[coarse] / WINDOW) if coarse is not None else scale
        return tuple(_rounded(apart if axis == coarse else scale) for axis in range(3))
    finest = tuple(
        max(mm, extent / (WINDOW * WINDOWS)) for mm, extent in zip(survey.spacing, survey.extent, strict=True)
    )
    spacing = tuple(_rounded(mm) for mm in finest)
    if finest != survey.spacing:
        median = " x ".join(f"{mm:g}" for mm in map(_rounded, survey.spacing))
        text = f"a coarser grid than the files' {median} mm, so that {WINDOWS} windows span a volume"
        notes.append(Note(text, "--spacing"))
    return spacing


def size_of(
    survey: Survey, spacing: tuple[float, ...], patch: int, given: int | Sequence[int] | None, whole: bool
) -> tuple[int, ...]:
    """Pixels or voxels of what the network sees; ``whole`` is that of its strategy."""
    if given is not None:
        sides = (given,) * survey.dims if isinstance(given, int) else tuple(given)
        low = 2 * patch
        if len(sides) != survey.dims or any(side % patch or side < low for side in sides):
            raise DataError(f"--image_size {given}: {survey.dims} multiples of the patch {patch}, of {low} or more")
        if survey.dims == 2 and len(set(sides)) > 1:
            raise DataError(f"--image_size {given}: photographs are padded to a square; give one number")
        return tuple(int(side) for side in sides)
    if survey.dims == 3:
        most = WINDOW * patch // 8 if patch > 8 else WINDOW
        voxels = [extent / mm for extent, mm in zip(survey.extent, spacing, strict=True)]
        return tuple(min(most, max(2 * patch, patch * ceil(length / patch - 0.02))) for length in voxels)
    longest = max(survey.size)
    if survey.listing.task == "classification":
        least, most = (count * patch for count in PATCHES)
        if whole:
            patches, pixels = WHOLE
            most = min(patches, pixels // patch) * patch
    else:
        least, most = 4 * patch, PICTURE
    side = min(most, max(least, patch * ceil(longest / patch)))
    return (side, side)


def window_of(survey: Survey) -> tuple[float, float] | None:
    """What becomes 0 and 1: white and black of 8 bits; a window on tissue; the sample's range of 16-bit gray."""
    if survey.dims == 2 and survey.bits == 8:
        return 0.0, 255.0
    low, high = survey.window
    if survey.dims == 2:
        return round(low, 1), round(high, 1)
    if survey.hounsfield:
        return 10.0 * floor(low / 10), 10.0 * ceil(high / 10)
    return None


def unseen(survey: Survey, size: tuple[int, ...], window: tuple[float, float] | None, whole: bool) -> list[Note]:
    """What of the images the network does not see as it is."""
    notes = []
    if survey.dims == 2:
        if max(survey.size) > size[0]:
            why = "; larger ones take longer and more of the disk" if whole else ", so that a laptop can train"
            notes.append(Note(f"photographs are shrunk to {size[0]} pixels{why}", "--image_size"))
        notes.append(
            Note("training flips from left to right and turns by at most 11 degrees", "--rotation of the training")
        )
    if window not in (None, (0, 255)):
        low, high = window or (0, 0)
        units = "Hounsfield units" if survey.hounsfield else "intensities"
        place = "a_min and a_max in train.json and inference.json"
        notes.append(Note(f"{units} from {low:g} to {high:g} become 0 to 1, the range of a sample", place))
    return notes


def cache_rate(survey: Survey, size: tuple[int, ...], spacing: tuple[float, ...], cases: int) -> float:
    """The share of the prepared images that fits into memory."""
    if survey.dims == 2 or survey.listing.task == "classification":
        pixels: float = prod(size)
    else:
        pixels = prod(extent / mm for extent, mm in zip(survey.extent, spacing, strict=True))
    channels = (3 if survey.dims == 2 else survey.channels) + (survey.masks is not None)
    return round(min(1.0, MEMORY / (cases * pixels * channels * 4)), 2)


def _rounded(mm: float) -> float:
    """To three digits.

    Example:
        >>> _rounded(0.78123), _rounded(1.0)
        (0.781, 1.0)
    """
    return round(mm, 2 - floor(log10(mm)))
