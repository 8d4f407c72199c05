"""An image with its true and predicted class, or with several labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_class", "draw_labels"]

RIGHT, WRONG, UNKNOWN = "darkgreen", "firebrick", "black"
TITLE = 34
"""Letters in a line above a panel, at most."""


def draw_class(
    axes: Axes,
    picture: NDArray[Any],
    name: str,
    truth: int | None,
    predicted: int,
    probability: float,
    classes: Sequence[str] | None = None,
) -> None:
    """Draw an image below its true and its predicted class; green where it is right, red where not.

    Args:
        axes: the panel.
        picture: (H, W) or (H, W, 3) in [0, 1].
        name: of the image.
        truth: number of the class; None where it is not known.
        predicted: likewise.
        probability: of the predicted one.
        classes: their names; by default they are their numbers.
    """
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    names = [str(number) if classes is None else classes[number] for number in (truth, predicted) if number is not None]
    lines = [*([] if truth is None else [f"true {names[0]}"]), f"predicted {names[-1]} ({probability:.2f})"]
    separator = ", " if sum(map(len, lines)) <= TITLE else "\n"
    colour = UNKNOWN if truth is None else RIGHT if truth == predicted else WRONG
    axes.set_title(f"{name}\n{separator.join(lines)}", fontsize=8, color=colour)


def draw_labels(
    axes: Sequence[Axes],
    picture: NDArray[Any],
    name: str,
    truth: NDArray[np.bool_] | None,
    probabilities: NDArray[Any],
    labels: Sequence[str],
    top: int = 5,
) -> None:
    """Draw an image beside its true labels and the most probable ones; green where these are true, red where not.

    Args:
        axes: two panels.
        picture: (H, W) or (H, W, 3) in [0, 1].
        name: of the image.
        truth: of each label; None where it is not known.
        probabilities: of each label.
        labels: their names.
        top: how many of each kind to name; the rest is counted.
    """
    axes[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(name if len(name) <= 30 else f"{name[:28]}...", fontsize=8)
    lines = []
    if truth is not None:
        true = [labels[place] for place in np.flatnonzero(truth).tolist()] or ["none"]
        if len(true) > top:
            true = [*true[: top - 1], f"and {len(true) - top + 1} more"]
        lines = [("true", "gray"), *((text, "black") for text in true), ("", "black")]
    lines += [("most probable", "gray")]
    for place in np.argsort(-probabilities, kind="stable")[:top].tolist():
        colour = UNKNOWN if truth is None else RIGHT if truth[place] else WRONG
        lines.append((f"{probabilities[place]:.2f} {labels[place]}", colour))
    for row, (text, colour) in enumerate(lines):
        axes[1].text(0, 1 - row / 13, text, fontsize=8, color=colour, va="top", transform=axes[1].transAxes)
