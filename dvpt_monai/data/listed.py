"""Cases that a text file names, one a line."""

from __future__ import annotations

import logging
from pathlib import Path

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.name import name_of
from dvpt_monai.errors import DataError

__all__ = ["take_listed"]

logger = logging.getLogger(__name__)


def take_listed(cases: list[Case], listed: PathLike, root: PathLike | None = None) -> list[Case]:
    r"""The cases whose names a file lists, in their own order; none where the file is of other data, which is logged.

    Args:
        cases: the cases.
        listed: a file of text with one name a line; what follows ``#`` is a remark.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: the file is missing, is no text or lists nothing, or a group is listed in part.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     path = Path(home, "test_cases.txt")
        ...     _ = path.write_text("# of the paper\nimages/b.png\n")
        ...     take_listed([{"image": "images/a.png"}, {"image": "images/b.png"}], path)
        [{'image': 'images/b.png'}]
    """
    path = Path(listed)
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a text file with the name of a case a line") from error
    names = {line for line in lines if line}
    if not names:
        raise DataError(f"{path}: lists no case; write one name a line, relative to the data set's folder")
    taken = [case for case in cases if name_of(case, root) in names]
    if not taken:
        logger.info("%s: none of its %d cases is in these data; it is not used", path, len(names))
        return []
    absent = sorted(names - {name_of(case, root) for case in taken})
    if absent:
        logger.warning(
            "%s: %d of its %d cases are not in the data, the first is %s", path, len(absent), len(names), absent[0]
        )
    divided = _groups(taken) & _groups([case for case in cases if name_of(case, root) not in names])
    if divided:
        raise DataError(f"{path}: group {min(divided)!r} is listed in part; list all of its cases, or none")
    return taken


def _groups(cases: list[Case]) -> set[str]:
    return {str(case["group"]) for case in cases if case.get("group") not in (None, "")}
