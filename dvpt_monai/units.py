"""Seconds and bytes as a person says them."""

from __future__ import annotations

__all__ = ["duration", "storage"]


def duration(seconds: float) -> str:
    """Seconds, minutes or hours.

    Example:
        >>> duration(7.2), duration(200), duration(9000)
        ('7 s', '3 min', '2.5 h')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def storage(count: float) -> str:
    """Bytes, in three digits.

    Example:
        >>> storage(113_000), storage(81_300_000), storage(2_930_000_000)
        ('113 kB', '81.3 MB', '2.93 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} bytes"
