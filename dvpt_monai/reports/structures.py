"""An image with its true and its predicted structures: as contours, or painted over a photograph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.reports.pictures import painted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_contours", "draw_painted", "outline"]

OUTLINES = ("#e41a1c", "#377eb8", "#4daf4a", "#984ea3", "#ff7f00", "#ffff33", "#a65628", "#f781bf", "#999999")


def outline(label: int) -> str:
    """The colour of a label's contour, from 1; after the last they begin again."""
    return OUTLINES[(label - 1) % len(OUTLINES)]


def draw_contours(
    axes: Sequence[Axes],
    picture: NDArray[Any],
    name: str,
    masks: Mapping[str, NDArray[Any] | None],
    aspect: float = 1.0,
    own_range: bool = True,
) -> None:
    """Draw an image plain, and once more with the contours of each mask.

    Args:
        axes: a panel more than masks.
        picture: (X, Y) or (X, Y, 3): the first axis runs to the right, the second upwards.
        name: of the image.
        masks: of each panel its title and the labels (X, Y), 0 where there is nothing; None leaves the panel empty.
        aspect: height of a pixel for each of its width.
        own_range: whether black and white are the picture's own extremes; else they are 0 and 1.
    """
    low, high = np.percentile(picture, (0.5, 99.5)) if own_range else (0.0, 1.0)
    shown = ((picture - low) / max(high - low, 1e-6)).clip(0, 1).swapaxes(0, 1)
    plain = np.zeros(picture.shape[:2], int)
    for panel, (title, labels) in zip(axes, [(name, plain), *masks.items()], strict=True):
        if labels is None:
            continue
        panel.imshow(shown, cmap="gray", origin="lower", vmin=0, vmax=1, aspect=aspect)
        panel.set_title(title, fontsize=8)
        for label in np.unique(labels[labels > 0]):
            panel.contour((labels == label).T, levels=[0.5], colors=[outline(int(label))], linewidths=1.4)


def draw_painted(
    axes: Sequence[Axes], picture: NDArray[Any], name: str, masks: Mapping[str, NDArray[np.bool_]]
) -> None:
    """Draw a photograph plain, and once more under each of the masks.

    Args:
        axes: a panel more than masks.
        picture: (H, W, 3) in [0, 1].
        name: of the image.
        masks: of each panel its title and what is painted, (C, H, W).
    """
    axes[0].imshow(picture)
    axes[0].set_title(name, fontsize=9)
    for panel, (title, structures) in zip(axes[1:], masks.items(), strict=True):
        panel.imshow(painted(picture, structures))
        panel.set_title(title, fontsize=9)
