"""Names of outputs that never take each other's place, known before the first is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.formats.read import name_of
from dvpt_monai.formats.write import suffix_for

__all__ = ["output_paths"]


def output_paths(
    sources: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    postfix: str = "seg",
    output_format: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> dict[str, Path]:
    """Where the labels of each image go: ``<folder>/<name>_<postfix><suffix>``.

    Images below a folder keep their path in it; others of one name the part of their path that tells them apart.

    Args:
        sources: the images, all of them.
        folder: where to.
        postfix: behind the names.
        output_format: one of `OUTPUTS`; by default each image's own.
        root: the folder that was searched for the images, if one was.

    Raises:
        DataError: where two outputs would still have one name, one would replace an image, and on the outputs of an
            earlier run among the images.

    Example:
        >>> paths = output_paths(["bids/sub-1/anat/T1w.nii.gz", "bids/sub-2/anat/T1w.nii.gz", "b.png"], "out")
        >>> [path.as_posix() for path in paths.values()]
        ['out/sub-1/anat/T1w_seg.nii.gz', 'out/sub-2/anat/T1w_seg.nii.gz', 'out/b_seg.png']
        >>> output_paths(["a.nii", "a.nii.gz"], "out", output_format="nifti")
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: a.nii and a.nii.gz would both be written to out/a_seg.nii.gz; rename one
    """
    given = list(dict.fromkeys(os.fspath(source) for source in sources))
    _without_outputs(given, postfix)
    files = {source: f"{name_of(source)}_{postfix}{suffix_for(source, output_format)}" for source in given}
    parents = {source: Path(source).absolute().parent for source in given}
    top = None if root is None else Path(root).absolute()
    kept = {} if top is None else {source: parent.relative_to(top) for source, parent in parents.items()
                                   if parent.is_relative_to(top)}  # fmt: skip
    # Some file systems know no capitals.
    counts = Counter(name.lower() for name in files.values())
    alike = [source for source in given if source not in kept and counts[files[source].lower()] > 1]
    common = Path(os.path.commonpath([parents[source] for source in alike])) if alike else Path()
    kept |= {source: parents[source].relative_to(common) for source in alike}
    paths = {source: Path(folder, kept.get(source, ""), name) for source, name in files.items()}
    taken: dict[str, str] = {}
    inputs = {str(Path(source).absolute()).lower(): source for source in given}
    for source, path in paths.items():
        key = str(path.absolute()).lower()
        if key in taken:
            raise DataError(f"{taken[key]} and {source} would both be written to {path}; rename one")
        if key in inputs:
            raise DataError(
                f"{path} is to be predicted itself, and what {source} gives would replace it; leave it out, or set "
                "another folder for the outputs"
            )
        taken[key] = source
    return paths


def _without_outputs(sources: Sequence[str], postfix: str) -> None:
    """Refuse what an earlier run wrote beside the images."""
    names = {(os.path.dirname(source), name_of(source)): source for source in sources}
    for (folder, name), source in names.items():
        image = names.get((folder, name.removesuffix(f"_{postfix}")))
        if image not in (None, source):
            raise DataError(f"{source} is named as what {image} gives; leave it out of the images")
