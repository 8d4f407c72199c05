"""Cases whose image is the same file as another's, under another name: no split may divide them."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable

from dvpt_monai.data.case import Case, all_grouped
from dvpt_monai.data.name import image_of
from dvpt_monai.data.parts import fingerprint
from dvpt_monai.sha256 import sha256_of

__all__ = ["bind_copies", "warn_of_copies", "without_copies"]

logger = logging.getLogger(__name__)


def bind_copies(cases: list[Case]) -> list[Case]:
    """The same cases, where copies of an image share a group, with the whole groups that they are of.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name, content in {"a": b"x", "b": b"y", "c": b"x"}.items():
        ...         _ = Path(home, name).write_bytes(content)
        ...     cases = bind_copies([{"image": str(Path(home, name)), "name": name} for name in "abc"])
        >>> [case.get("group") for case in cases]
        ['copies of a', 'b', 'copies of a']
    """
    bound = [dict(case) for case in cases]
    places = {image_of(case): place for place, case in enumerate(bound)}
    for paths in _copies(places):
        alike = [bound[places[path]] for path in paths]
        groups = {case["group"] for case in alike if case.get("group")}
        name = min(map(str, groups), default=f"copies of {alike[0].get('name', alike[0]['image'])}")
        for case in [case for case in bound if case.get("group") in groups] + alike:
            case["group"] = name
    return all_grouped(bound)


def warn_of_copies(images: Iterable[str], others: Iterable[str], where: str) -> None:
    """Log which images are copies of others that belong to another part of the data."""
    mine, theirs = set(images), set(others)
    for paths in _copies([*mine, *theirs]):
        here, there = ([path for path in paths if path in part] for part in (mine, theirs))
        if here and there:
            logger.warning(
                "%s: %s and %s, of another part, are the same image: what is learned from one is known of the other",
                *(where, here[0], there[0]),
            )


def without_copies(cases: Iterable[Case], others: Iterable[Case]) -> list[Case]:
    """The cases of which none of the others is a copy: to train without what validates under another name.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as home:
        ...     paths = [Path(home, name) for name in ("a.png", "b.png", "c.png")]
        ...     for path, content in zip(paths, "xyx"):
        ...         _ = path.write_text(content)
        ...     a, b, c = ({"image": str(path)} for path in paths)
        ...     without_copies([a, b], [c]) == [b]
        True
    """
    known = {fingerprint(image_of(case)) for case in others} - {""}
    return [case for case in cases if fingerprint(image_of(case)) not in known]


def _copies(paths: Iterable[str]) -> list[list[str]]:
    """Sets of files with the same content; only those of one size are read."""
    sizes: dict[int, list[str]] = defaultdict(list)
    for path in sorted(set(paths)):
        if os.path.isfile(path):
            sizes[os.path.getsize(path)].append(path)
    contents: dict[str, list[str]] = defaultdict(list)
    for size, alike in sizes.items():
        for path in alike if size and len(alike) > 1 else ():
            contents[sha256_of(path)].append(path)
    return [alike for alike in contents.values() if len(alike) > 1]
