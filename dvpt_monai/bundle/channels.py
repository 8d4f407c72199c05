"""Images whose channels are files of their own, found by what the files' names end in."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.formats import name_of

__all__ = ["find_channels"]


def find_channels(
    source: str | os.PathLike[str], endings: Sequence[str], suffixes: Sequence[str]
) -> list[dict[str, list[str]]]:
    """List the images to predict of a folder and the folders in it; other files are passed over.

    Args:
        source: the folder.
        endings: what the names of a case's files end in, in the order of the channels: ``["0000", "0001"]`` of nnU-Net,
            ``["flair", "t1"]`` of modalities.
        suffixes: what counts as an image, in lower case.

    Returns:
        One ``{"image": [path of each channel]}`` for each case, also where the file of one is not there.

    Raises:
        DataError: on what is no folder, or one without such a file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("a_t1.nii", "a_t1ce.nii", "a_seg.nii"):
        ...         _ = Path(home, name).write_bytes(b"")
        ...     [case] = find_channels(home, ["t1ce", "t1"], [".nii"])
        >>> [Path(path).name for path in case["image"]]
        ['a_t1ce.nii', 'a_t1.nii']
    """
    folder = Path(source)
    if not folder.is_dir():
        raise DataError(f"{folder}: no folder; give the one that holds the files ending in {', '.join(endings)}")
    found: dict[tuple[Path, str], dict[str, str]] = defaultdict(dict)
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or not path.name.lower().endswith(tuple(suffixes)):
            continue
        for ending in endings:
            name = name_of(path)
            rest = name[: len(name) - len(ending)]
            if name.lower().endswith(ending.lower()) and (not rest or rest[-1] in "_-. "):
                found[path.parent, rest][ending] = str(path)
    if not found:
        raise DataError(f"{folder}: no files whose names end in {', '.join(endings)}, before {', '.join(suffixes)}")
    return [{"image": [files.get(ending) or _lacking(ending, files) for ending in endings]} for files in found.values()]


def _lacking(ending: str, files: dict[str, str]) -> str:
    """What the file of a channel would be called: loading it says that it is not there, and of this case alone."""
    other, path = next(iter(files.items()))
    name = name_of(path)
    return str(Path(path).with_name(name[: len(name) - len(other)] + ending + Path(path).name[len(name) :]))
