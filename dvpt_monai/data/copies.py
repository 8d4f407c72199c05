"""Cases whose image is the same file as another's, under another name."""

from __future__ import annotations

from collections.abc import Iterable

from dvpt_monai.data.case import Case
from dvpt_monai.data.name import image_of
from dvpt_monai.data.parts import fingerprint

__all__ = ["without_copies"]


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
