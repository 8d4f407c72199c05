"""Who is resolving the config whose expression runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

from monai.bundle import ConfigParser

__all__ = ["asking_config", "callers"]


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


def asking_config() -> ConfigParser | None:
    """The config whose expression asks; ``None`` where no config does.

    Example:
        >>> asking_config() is None
        True
    """
    holders = (frame.f_locals.get("self") for frame in callers())
    return next((one for one in holders if isinstance(one, ConfigParser)), None)
