"""A data set in a few lines: what was read of it, by subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from dvpt_monai.verify.intensities import number
from dvpt_monai.verify.memory import needed
from dvpt_monai.verify.report import Report

__all__ = ["overview"]

_MOST = 8
"""Classes that are named."""


def overview(report: Report) -> dict[str, str]:
    """What the files are like, for each subject of findings."""
    images = [each.image for each in report.facts if each.image is not None]
    masks = [mask for each in report.facts for mask in each.masks]
    lines = {
        "files": f"{len(images) + len(masks):,} read to their end",
        "labels": _labels(report),
        "parts": _parts(report),
    }
    if not images:
        return lines
    dims = Counter(len(image.size) for image in images).most_common(1)[0][0]
    alike = [image for image in images if len(image.size) == dims]
    size = _by(np.median([image.size for image in alike], axis=0).astype(int))
    spacing = _by(f"{mm:.3g}" for mm in np.median([image.spacing for image in alike], axis=0)) if dims == 3 else ""
    lines["geometry"] = f"{size} voxels of {spacing} mm (medians)" if spacing else f"{size} pixels (median)"
    channels = " or ".join(str(number) for number, _ in Counter(image.channels for image in alike).most_common())
    kinds = " or ".join(kind for kind, _ in Counter(image.kind for image in alike).most_common(3))
    low, high = np.median([[image.low, image.high] for image in alike], axis=0)
    lines["intensities"] = f"{channels} channel(s) of {kinds}, {number(low)} to {number(high)} (medians)"
    classes = len({value for each in report.facts for counts in each.masks.values() for value in counts})
    if masks:
        most = max(needed(image.size, max(classes, len(report.data.names))) for image in alike)
        lines["size"] = f"prediction of one image takes {f'up to {most:.1f}' if most > 0.1 else 'less than 0.1'} GiB"
    return lines


def _labels(report: Report) -> str:
    classes = report.classes
    if not classes:
        return "none"
    listed = ", ".join(f"{name} in {count}" for name, count in sorted(classes.items())[:_MOST])
    return listed + (f" and {len(classes) - _MOST} more" if len(classes) > _MOST else "")


def _parts(report: Report) -> str:
    counts = Counter(each.case.part or "not divided" for each in report.facts)
    groups = {each.case.group for each in report.facts} - {""}
    listed = ", ".join(f"{count} {part}" for part, count in counts.items())
    return f"{listed}; {len(groups)} groups" if groups else listed


def _by(lengths: Iterable[object]) -> str:
    return " x ".join(map(str, lengths))
