"""Names of metrics that files, tables and trackers take alike."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import cache

__all__ = ["metric_names"]

logger = logging.getLogger(__name__)

UNFIT = re.compile(r"[^\w.-]+")
"""MLflow takes letters, digits and ``_ - . / :`` and a space; TensorBoard of these no colon and no space."""


def metric_names(measure: str, names: Sequence[str]) -> list[str]:
    """A metric's name for each structure, label or class, whatever these are called.

    What a tracker refuses becomes ``_``; names that become one are numbered. The log says what was changed.

    Args:
        measure: the metric, such as ``"dice"``.
        names: of what it is measured.

    Example:
        >>> metric_names("dice", ["left lung", "tumour (>50 %) & core", "left_lung"])
        ['dice_left_lung', 'dice_tumour_50_core', 'dice_left_lung_2']
    """
    return [f"{measure}_{plain}" for plain in _fitted(tuple(str(name) for name in names))]


@cache
def _fitted(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names as trackers take them; the cache has each change logged once."""
    fitted: list[str] = []
    for name in names:
        plain = first = UNFIT.sub("_", name).strip("_") or "unnamed"
        number = 1
        while plain in fitted:
            number += 1
            plain = f"{first}_{number}"
        fitted.append(plain)
    changed = [f"{name!r} as {plain!r}" for name, plain in zip(names, fitted, strict=True) if name != plain]
    if changed:
        logger.info("metrics name %s, which trackers take", ", ".join(changed))
    return tuple(fitted)
