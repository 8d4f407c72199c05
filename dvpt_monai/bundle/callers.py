"""Who is resolving the config whose expression runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

__all__ = ["callers"]


def callers() -> Iterator[FrameType]:
    """The frames above the function that asks, the nearest first.

    Example:
        >>> def asks():
        ...     return next(callers()).f_code.co_name
        >>> def resolves():
        ...     return asks()
        >>> resolves()
        'resolves'
    """
    frame: FrameType | None = sys._getframe(2)  # a generator's own caller is whoever iterates
    while frame is not None:
        yield frame
        frame = frame.f_back
