"""Corrected copies of files, where only one correction is possible."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.verify.finding import Finding
from dvpt_monai.verify.geometry import aligned
from dvpt_monai.verify.reading import Scan, read, scan_of
from dvpt_monai.verify.report import Report
from dvpt_monai.whole_file import whole_file

__all__ = ["Fixed", "fix"]

_MASKS = ("axes", "label-float")
_PHOTOGRAPHS = ("exif", "alpha", "palette", "cmyk")
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class Fixed:
    """What became of a file with faults.

    Args:
        file: the file.
        copy: its corrected copy; ``None`` where it stays as it is.
        what: what was corrected, or why it was not.
    """

    file: Path
    copy: Path | None
    what: str


def fix(report: Report, folder: str | os.PathLike[str]) -> list[Fixed]:
    """Write corrected copies into a folder, under the names that they have below the data's.

    Photographs are turned upright, and become RGB; a JPEG becomes a PNG, which keeps every pixel. Masks are brought
    into their image's grid by axes and flips alone, and get whole numbers of the smallest type. A file with a fatal
    fault besides stays as it is.

    Args:
        report: of `verify`.
        folder: to write to, new or empty.

    Raises:
        DataError: the folder holds something.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target}: not an empty folder; give a new one, so that no file of yours is replaced")
    faults: dict[Path, list[Finding]] = {}
    for finding in report.findings:
        if finding.file.is_file():
            faults.setdefault(finding.file, []).append(finding)
    return [_fixed(report, path, findings, target) for path, findings in faults.items()]


def _fixed(report: Report, path: Path, findings: Sequence[Finding], target: Path) -> Fixed:
    codes = {finding.kind.code for finding in findings}
    below = report.data.below(path)
    copy = target / (below if not Path(below).is_absolute() else path.name)
    hopeless = [finding for finding in findings if finding.kind.fatal and finding.kind.code not in ("turned",)]
    if hopeless:
        return Fixed(path, None, f"{hopeless[0].kind.title.lower()}: {hopeless[0].kind.remedy}")
    if codes & {*_MASKS}:
        return _mask(path, findings, copy)
    if codes & {*_PHOTOGRAPHS, "turned"}:
        return _photograph(path, findings, copy)
    return Fixed(path, None, f"{findings[0].kind.title.lower()}: {findings[0].kind.remedy}")


def _mask(path: Path, findings: Sequence[Finding], copy: Path) -> Fixed:
    if formats.format_of(path) not in ("nifti", "photograph"):
        return Fixed(path, None, "corrected copies are written of NIfTI and photographs alone")
    source: Any = nib.load(path) if formats.format_of(path) == "nifti" else None
    scan = read(path)
    words = []
    for finding in findings:
        if finding.kind.code == "axes":
            image = scan_of(formats.read(finding.others[0]))
            assert image.affine is not None
            array = aligned(scan, image.affine, image.size)
            assert array is not None
            scan = Scan(array, image.affine)
            words.append("in the grid of its image")
    scan = replace(scan, array=_whole(scan.array))
    words += ["whole numbers"] if any(finding.kind.code == "label-float" for finding in findings) else []
    if source is None:
        return _saved(path, copy, lambda part: Image.fromarray(scan.array).save(part), words)
    mask = type(source)(scan.array, scan.affine)
    mask.header.set_xyzt_units(*source.header.get_xyzt_units())
    mask.set_qform(scan.affine, 1)
    mask.set_sform(scan.affine, 1)
    content = mask.to_bytes()
    packed = gzip.compress(content) if copy.name.lower().endswith(".gz") else content
    return _saved(path, copy, lambda part: part.write_bytes(packed), words)


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in the smallest integer type that holds them."""
    whole = np.round(array).astype(np.int64) if array.dtype.kind == "f" else array
    small = np.promote_types(np.min_scalar_type(whole.min()), np.min_scalar_type(whole.max()))
    return whole.astype(small)


def _photograph(path: Path, findings: Sequence[Finding], copy: Path) -> Fixed:
    words = []
    turned = next((finding for finding in findings if finding.kind.code == "turned"), None)
    with Image.open(path) as image:
        image.load()
        upright: Image.Image = image
        if turned is not None:
            with Image.open(turned.others[0]) as original:
                tag = original.getexif()
            bare = image.copy()
            bare.getexif().update(tag)
            upright = ImageOps.exif_transpose(bare)
            words.append("turned as its image is")
        elif any(finding.kind.code == "exif" for finding in findings):
            upright = ImageOps.exif_transpose(image)
            words.append("turned upright")
        alpha = "A" in upright.getbands() or "transparency" in upright.info
        if alpha and upright.convert("RGBA").getchannel("A").getextrema() != (255, 255):
            return Fixed(path, None, "parts of it are transparent: what lies behind them is for you to choose")
        if turned is None and upright.mode not in ("L", "RGB", "1") and not upright.mode.startswith("I"):
            gray = upright.mode == "LA"
            upright = upright.convert("L" if gray else "RGB")
            words.append("gray" if gray else "RGB")
        upright.info.pop("transparency", None)
        copy = copy if copy.suffix.lower() in _LOSSLESS else copy.with_suffix(".png")
        upright.info.pop("exif", None)
        return _saved(path, copy, lambda part: upright.save(part), words)


def _saved(path: Path, copy: Path, save: Callable[[Path], Any], words: Sequence[str]) -> Fixed:
    with whole_file(copy) as part:
        save(part)
    return Fixed(path, copy, " and ".join(words))
