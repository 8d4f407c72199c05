"""Several labels of an image that stand in a file of their own, as MONAI Label stores what is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dvpt_monai.data.grades import read_label_file
from dvpt_monai.errors import DataError, did_you_mean

__all__ = ["read_findings"]


def read_findings(label: Any, labels: Sequence[str]) -> Any:
    """A 0 or 1 for each label from the names in a JSON file: a list, or an object with a list as ``"label"``.

    Args:
        label: path of a file that ends in ``.json``; anything else comes back as it is.
        labels: the names of all labels; capitals do not matter, nor underscores for spaces.

    Raises:
        DataError: the file cannot be read, or holds something else, such as a name that is no label.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as home:
        ...     path = Path(home, "chest.json")
        ...     _ = path.write_text('{"label": ["fibrosis"]}')
        ...     read_findings(str(path), ["nodule", "fibrosis"])
        [0, 1]
    """
    if not isinstance(label, str) or not label.endswith(".json"):
        return label
    remedy = f'write the names of what is there, {{"label": ["{labels[0]}"]}}, or {{"label": []}}'
    names = read_label_file(label, remedy)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{label}: {names!r} is no list of names; {remedy}")
    known, found = [_plain(name) for name in labels], {_plain(name) for name in names}
    for name in sorted(found.difference(known)):
        near = did_you_mean(name, known)
        meant = f"did you mean {near!r}?" if near else f"the labels are {', '.join(labels)}"
        raise DataError(f"{label}: {name!r} is no label; {meant}")
    return [int(name in found) for name in known]


def _plain(name: str) -> str:
    return name.lower().replace("_", " ")
