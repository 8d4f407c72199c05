"""One case: its files are read once, one after the other, and only what they were like is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dvpt_monai.formats import apart, names_structures, tolerance
from dvpt_monai.verify.case import Case
from dvpt_monai.verify.facts import Facts, ImageFacts
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.geometry import completed, pair_faults, volume_faults
from dvpt_monai.verify.intensities import image_faults
from dvpt_monai.verify.labels import counts_of, counts_of_layers, mask_faults
from dvpt_monai.verify.opened import UNREADABLE, Content, opened
from dvpt_monai.verify.reading import Scan
from dvpt_monai.verify.sketch import sketch
from dvpt_monai.verify.stored import Header, Photograph, Volume

__all__ = ["inspect"]

APART = Kind(
    "channels-apart", "geometry", "Channels of one case in different grids",
    why="voxels of one index show different places, so that the channels do not belong together",
    remedy="resample the channels to one grid, or find the right files",
)  # fmt: skip
_SAMPLE = 100_000
"""Values of which the percentiles are taken."""


def inspect(case: Case, names: Mapping[int, str], segments: Sequence[str] = ()) -> Facts:
    """Read a case's image and masks, and say what they are like and what is wrong with them."""
    try:
        return _inspected(case, names, segments)
    except Exception as error:  # of whatever kind: no case hides the others
        return Facts(case, (UNREADABLE.at(case.image, f"{type(error).__name__}: {error}"),))


def _inspected(case: Case, names: Mapping[int, str], segments: Sequence[str]) -> Facts:
    findings: list[Finding] = []
    masks: dict[Path, dict[int, int]] = {}
    image, place = None, None
    content = opened(case.image)
    if isinstance(content, Finding):
        findings.append(content)
    else:
        header, scan = content.header, content.scan
        findings += _of_file(case.image, content, image_faults(case.image, header, scan))
        image = _image_facts(header, scan)
        # the values have done their service: of the image only its grid goes on
        place = header, replace(scan, array=np.broadcast_to(np.uint8(0), scan.array.shape))
        del scan
    del content
    for path in case.channels:
        findings += _of_channel(path, case.image, place)
    if image is not None and case.channels:
        image = replace(image, channels=image.channels + len(case.channels), content=_together(case, image.content))
    for path in case.masks:
        content = opened(path, segments)
        if isinstance(content, Finding):
            findings.append(content)
            continue
        header, scan = content.header, content.scan
        findings += _of_file(path, content, mask_faults(path, header, scan, names))
        layers = scan.array if names_structures(path) else None
        if layers is not None:
            scan = replace(scan, array=layers.max(axis=-1))
        if place is not None:  # writers of segmentations cut off what is empty, and training puts it back
            scan = completed(scan, place[1]) if layers is not None else scan
            findings += pair_faults(case.image, *place, path, header, scan)
        masks[path] = counts_of(scan.array) if layers is None else counts_of_layers(layers, scan.array.size)
    return Facts(case, tuple(findings), image, masks)


def _of_channel(path: Path, image: Path, place: tuple[Header, Scan] | None) -> list[Finding]:
    """The faults of a further channel, which must lie in the grid of the first."""
    content = opened(path)
    if isinstance(content, Finding):
        return [content]
    findings = _of_file(path, content, image_faults(path, content.header, content.scan))
    if place is None:
        return findings
    one, other = place[1], content.scan
    if other.size != one.size or other.dims != one.dims:
        return [*findings, APART.at(path, f"{other.size}, {image.name} {one.size}", image)]
    if one.affine is not None and other.affine is not None:
        distance = apart(one.affine, other.affine, one.size)
        if not distance <= tolerance(one.affine):
            return [*findings, APART.at(path, f"up to {distance:.3g} mm from {image.name}", image)]
    return findings


def _together(case: Case, content: str) -> str:
    """A hash of all channels, whose files tell them apart where the first channels of two cases are alike."""
    digest = hashlib.blake2b(content.encode(), digest_size=16)
    for path in case.channels:
        digest.update(path.read_bytes() if path.is_file() else str(path).encode())
    return digest.hexdigest()


def _of_file(path: Path, content: Content, faults: Iterable[Finding]) -> list[Finding]:
    """The faults of one file; that training refuses it is one of its own where no other explains it."""
    header = content.header
    findings = [*faults, *(volume_faults(path, header, content.scan) if isinstance(header, Volume) else ())]
    explained = content.refusal is None or any(finding.kind.fatal for finding in findings)
    return findings if explained or content.refusal is None else [*findings, content.refusal]


def _image_facts(header: Header, scan: Scan) -> ImageFacts:
    array = np.ascontiguousarray(scan.array)
    digest = hashlib.blake2b(repr((array.shape, array.dtype.str)).encode(), digest_size=16)
    digest.update(array.data)
    flat = array.ravel()[:: max(1, array.size // _SAMPLE)].astype(np.float64)
    flat = flat[np.isfinite(flat)]
    low, high = np.percentile(flat, (0.5, 99.5)) if flat.size else (0.0, 0.0)
    spacing = () if scan.affine is None else tuple(float(mm) for mm in np.linalg.norm(scan.affine[:3, :3], axis=0))
    return ImageFacts(
        size=scan.size,
        channels=_colours(header.mode) if isinstance(header, Photograph) else scan.channels,
        kind=_kind(header.mode) if isinstance(header, Photograph) else header.kind,
        spacing=spacing,
        low=float(low),
        high=float(high),
        content=digest.hexdigest(),
        sketch=_sketch(scan),
        affine=scan.affine,
    )


def _colours(mode: str) -> int:
    """Channels as they are learned: transparency, palettes and colours for printing count as colour."""
    return 1 if mode in ("1", "L", "LA", "La", "F") or mode.startswith("I") else 3


def _kind(mode: str) -> str:
    return "16 bits" if mode.startswith("I;16") else "32 bits" if mode in ("I", "F") else "8 bits"


def _sketch(scan: Scan) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    array = np.nan_to_num(scan.array, posinf=0, neginf=0) if scan.array.dtype.kind == "f" else scan.array
    if array.ndim > scan.dims:
        array = array.reshape(*scan.size, -1)
        array = array[..., 0] if scan.dims == 3 else array[..., : 3 if array.shape[-1] > 2 else 1].mean(axis=-1)
    return sketch(array) if array.size else None
