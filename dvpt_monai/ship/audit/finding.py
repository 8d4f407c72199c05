"""One thing that a bundle would do, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """What stands somewhere in a bundle.

    Args:
        file: in the bundle.
        place: the id in a config, the section of a ``logging.conf``; empty for a whole file.
        what: it does or is.
        refused: whether our list, and the site's, do not have it.
    """

    file: str
    place: str
    what: str
    refused: bool

    def __str__(self) -> str:
        return f"{self.file}{f' {self.place}' if self.place else ''}: {self.what}"
