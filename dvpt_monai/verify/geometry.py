"""Where voxels lie: spacing, affines that readers agree on, masks at the place of their images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dvpt_monai.errors import DataError
from dvpt_monai.formats import into_grid
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.readers import itk_affine, monai_affine
from dvpt_monai.verify.reading import Scan
from dvpt_monai.verify.stored import Header, Photograph, Volume

__all__ = ["aligned", "completed", "distance", "pair_faults", "volume_faults"]

SPACING = Kind(
    "spacing", "geometry", "Spacing that cannot be",
    why="resampling makes nothing, or gigabytes, of the volume, and distances in mm are wrong",
    remedy="write the scanner's spacing into the header, or convert the series again",
)  # fmt: skip
AFFINE = Kind(
    "affine", "geometry", "The affine is broken",
    why="voxels have no place, so that turning, resampling and saving go wrong or fail",
    remedy="convert the series again, or copy the affine of a file with the same grid",
)  # fmt: skip
READERS = Kind(
    "readers", "geometry", "Readers disagree on the place of the voxels",
    why="image, mask and prediction end up in different places, depending on who reads them",
    remedy="set qform and sform, with codes, to the affine that is right, and pixdim to its spacing",
)  # fmt: skip
FORMS = Kind(
    "forms", "geometry", "sform and qform differ",
    why="some readers take one and some the other",
    remedy="set qform and sform to the affine that is right",
)  # fmt: skip
SHEAR = Kind(
    "shear", "geometry", "The axes are not at right angles",
    why="ITK, and what builds on it, refuses or straightens the volume; spacing loses its meaning",
    remedy="resample to an orthogonal grid (gantry tilt), image and mask alike",
)  # fmt: skip
NOWHERE = Kind(
    "nowhere", "geometry", "The header says no place",
    why="with sform and qform code 0, left and right are a guess that readers make differently",
    remedy="set the affine and its code, or convert the series again",
)  # fmt: skip
SHAPE = Kind(
    "shape", "geometry", "Image and mask differ in size",
    why="other anatomy would be learned: pixels do not belong together",
    remedy="make the mask anew on this image, or find the right pair",
)  # fmt: skip
PLACE = Kind(
    "place", "geometry", "Image and mask lie in different places",
    why="other anatomy would be learned, without an error",
    remedy="find the right pair; if their voxels do correspond, write the image's affine into the mask",
)  # fmt: skip
AXES = Kind(
    "axes", "geometry", "The mask is stored along other axes than its image",
    why="the places agree, but whoever compares arrays alone pairs other voxels",
    remedy="bring the mask into the image's grid by axes and flips alone: --fix does",
    fatal=False,
)  # fmt: skip
TURNED = Kind(
    "turned", "geometry", "The mask was drawn on the photograph before it was turned",
    why="the EXIF tag turns the image and not its mask, so that other pixels are learned",
    remedy="turn the mask, too, and save the image upright: --fix does",
)  # fmt: skip
FLAT = Kind(
    "flat-mask", "geometry", "A mask of several channels",
    why="a mask has one channel with a value for each structure",
    remedy="save one number for each structure, or one file for each where structures overlap",
)  # fmt: skip

TOLERANCE = 0.05
"""Of a voxel, by which two affines may differ at the corners."""
SHORTEST, LONGEST = 1e-4, 100.0
"""Spacing in mm that a scanner or a microscope can have."""


def volume_faults(path: Path, header: Volume, scan: Scan) -> Iterator[Finding]:
    """Faults of one volume's spacing and affine."""
    affine = scan.affine
    assert affine is not None
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        yield AFFINE.at(path, "not finite" if not np.isfinite(affine).all() else "singular: it flattens the volume")
        return
    actual = np.linalg.norm(affine[:3, :3], axis=0)
    wrong = [mm for mm in (*header.spacing, *actual) if not (np.isfinite(mm) and SHORTEST <= mm <= LONGEST)]
    if wrong:
        yield SPACING.at(path, f"{_mm(header.spacing if wrong[0] in header.spacing else actual)} mm")
        return
    axes = affine[:3, :3] / actual
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        yield SHEAR.at(path, f"the furthest by {_degrees(axes):.3g} degrees")
        return
    if header.sform is None and header.qform is None:
        yield NOWHERE.at(path, "sform_code and qform_code are 0")
        return
    yield from _disagreements(path, header, scan)


def _disagreements(path: Path, header: Volume, scan: Scan) -> Iterator[Finding]:
    affine: Any = scan.affine
    try:
        others = {"SimpleITK": itk_affine(path), "MONAI": monai_affine(header)}
    except RuntimeError as error:
        yield READERS.at(path, f"SimpleITK refuses it: {str(error).strip().splitlines()[-1]}")
        return
    for reader, other in others.items():
        if _apart(affine, other, scan.size):
            yield READERS.at(path, f"up to {distance(affine, other, scan.size):.3g} mm between nibabel and {reader}")
            return
    if header.sform is not None and header.qform is not None and _apart(header.sform, header.qform, scan.size):
        yield FORMS.at(path, f"by up to {distance(header.sform, header.qform, scan.size):.3g} mm")


def pair_faults(
    image: Path, header: Header, scan: Scan, mask: Path, of_mask: Header, answer: Scan
) -> Iterator[Finding]:
    """What keeps a mask from belonging to its image; `scan` needs only its size and affine."""
    if answer.dims == 3 and answer.channels > 1:
        yield FLAT.at(mask, f"{answer.channels} channels", image)
        return
    if scan.affine is None or answer.affine is None:
        yield from _pixels_faults(image, header, scan, mask, of_mask, answer)
        return
    affines = np.stack([scan.affine, answer.affine])
    if not np.isfinite(affines).all() or (np.abs(np.linalg.det(affines[:, :3, :3])) < 1e-12).any():
        return  # said of the file itself
    if scan.size == answer.size and not _apart(scan.affine, answer.affine, scan.size):
        return
    if aligned(answer, scan.affine, scan.size) is not None:
        theirs, ours = ("".join(nib.aff2axcodes(each.affine)) for each in (answer, scan))
        yield AXES.at(mask, f"{theirs}, the image {ours}", image)
    elif scan.size != answer.size:
        yield SHAPE.at(mask, f"{_by(answer.size)}, the image {_by(scan.size)}", image)
    else:
        far = distance(scan.affine, answer.affine, scan.size)
        yield PLACE.at(mask, f"up to {far:.3g} mm from {image.name}", image)


def _pixels_faults(
    image: Path, header: Header, scan: Scan, mask: Path, of_mask: Header, answer: Scan
) -> Iterator[Finding]:
    turn = header.turn if isinstance(header, Photograph) else 1
    of_turn = of_mask.turn if isinstance(of_mask, Photograph) else 1
    if turn > 4 and of_turn == 1 and answer.size == scan.size[::-1] and answer.size != scan.size:
        yield TURNED.at(mask, f"{_by(answer.size)}; {image.name} is {_by(scan.size)} once turned", image)
    elif answer.size != scan.size:
        yield SHAPE.at(mask, f"{_by(answer.size)}, the image {_by(scan.size)}", image)


def aligned(mask: Scan, affine: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any] | None:
    """A mask's array in the grid of an image, if permuted and flipped axes are all that differs; else ``None``."""
    ours, theirs = nib.io_orientation(affine), nib.io_orientation(mask.affine)
    if np.isnan(ours).any() or np.isnan(theirs).any():
        return None
    change = nib.orientations.ornt_transform(theirs, ours)
    array: NDArray[Any] = nib.orientations.apply_orientation(mask.array, change)
    moved = mask.affine @ nib.orientations.inv_ornt_aff(change, mask.size)
    return array if array.shape[:3] == size and not _apart(affine, moved, size) else None


def completed(mask: Scan, image: Scan) -> Scan:
    """A segmentation that covers a part of its image's grid, on all of it; one that lies elsewhere as it is."""
    if mask.affine is None or image.affine is None or mask.channels > 1 or mask.size == image.size:
        return mask
    try:
        array = into_grid(mask.array[None], mask.affine, image.affine, image.size, cropped=True)
    except (DataError, np.linalg.LinAlgError):
        return mask
    return Scan(array[0], image.affine)


def distance(one: NDArray[Any], other: NDArray[Any], size: tuple[int, ...]) -> float:
    """The furthest that two affines put a corner of a grid apart, in mm.

    Example:
        >>> moved = np.eye(4)
        >>> moved[0, 3] = 2
        >>> distance(np.eye(4), moved, (10, 10, 10))
        2.0
    """
    corners = np.array([*product(*((0, length - 1) for length in size[:3]))])
    apart = corners @ (one - other)[:3, :3].T + (one - other)[:3, 3]
    return float(np.linalg.norm(apart, axis=1).max())


def _apart(one: NDArray[Any], other: NDArray[Any], size: tuple[int, ...]) -> bool:
    far = distance(one, other, size)
    return not far <= TOLERANCE * float(np.linalg.norm(one[:3, :3], axis=0).min())


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _mm(spacing: Any) -> str:
    return " x ".join(f"{mm:g}" for mm in spacing)


def _degrees(axes: NDArray[Any]) -> float:
    return float(np.degrees(np.arcsin(min(1.0, np.abs(axes.T @ axes - np.eye(3)).max()))))
