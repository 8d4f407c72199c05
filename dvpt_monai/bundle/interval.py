"""When a training validates."""

from __future__ import annotations

__all__ = ["interval"]


def interval(wanted: int, epochs: int) -> int:
    """Epochs between validations: at most as many as wanted, and such that the last epoch is validated.

    Example:
        >>> interval(5, 12)
        4
    """
    return max(count for count in range(1, wanted + 1) if epochs % count == 0)
