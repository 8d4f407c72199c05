"""The one error of this package."""

from __future__ import annotations


class DataError(ValueError):
    """Data that cannot be used; the message names the file or the key, and the remedy."""
