"""The one error of bundles as folders and archives."""

from __future__ import annotations

__all__ = ["BundleError"]


class BundleError(ValueError):
    """A bundle lacks what is asked of it; the message names the file, what is wrong, and the remedy."""
