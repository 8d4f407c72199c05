"""Segmentations on the grid and in the format of their images."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, SaveImaged
from numpy.typing import NDArray

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.formats import format_of, into_grid, output_paths, write_labels

__all__ = ["SaveImageSegmentationd"]


class SaveImageSegmentationd(SaveImaged):
    """Write labels as ``<image>_seg`` in the format of the image.

    NIfTI for NIfTI, ``.seg.nrrd`` for NRRD and the series of DICOM, MHA for MetaImage, PNG for pictures.

    Put it after ``Invertd`` and ``AsDiscreted``. Each file is written whole or not at all, in the smallest type that
    holds its values, and none takes another's place.

    It is one of MONAI's ``SaveImaged``, by kind and by name: MONAI Label asks for the one, MONAI Deploy for the other,
    and leave it out, as they write results themselves.

    **Shape**: (1, *spatial) of labels, or (structures, *spatial) of 0 and 1 if they overlap; unchanged

    Args:
        keys: keys of the labels.
        output_dir: folder to write to; made if missing.
        structures: names of the labels 1, 2, ... or of the channels, for the formats that have names; or the label of
            each name.
        values: what is written for the labels 0, 1, 2, ...; by default themselves.
        overlapping: whether there is a channel for each structure.
        sources: all images that will come, see `expect`.
        output_format: ``nifti``, ``seg-nrrd``, ``nrrd``, ``mha``, ``png`` or ``dicom-seg``; by default the image's own.
        postfix: behind the image's name.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on labels that are not on the grid of their image's file, or do not fit the format, and where two
            images would write to one file.

    Example:
        >>> import tempfile, torch
        >>> where = {"filename_or_obj": "skin/a.jpg", "spatial_shape": np.array([4, 6])}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     _ = SaveImageSegmentationd("pred", home)({"pred": MetaTensor(torch.ones(1, 4, 6), meta=where)})
        ...     print(os.listdir(home))
        ['a_seg.png']
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike[str],
        structures: Sequence[str] | Mapping[str, int] | None = None,
        values: Sequence[int] | None = None,
        overlapping: bool = False,
        sources: Sequence[Any] | None = None,
        output_format: str | None = None,
        postfix: str = "seg",
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.folder = Path(output_dir)
        self.structures = structures
        self.values = None if values is None else np.asarray(values)
        self.overlapping = overlapping
        self.settings: dict[str, Any] = {"postfix": postfix, "output_format": output_format}
        self.planned: dict[str, Path] | None = None
        self._written: dict[Path, str] = {}
        if sources is not None:
            self.expect(sources)

    def expect(self, sources: Sequence[Any], root: str | os.PathLike[str] | None = None) -> set[Path]:
        """Name the outputs of all images that will come.

        Whatever would collide is refused before the first is written.

        Args:
            sources: the images.
            root: the folder that was searched for them, if one was; below it they keep their path.

        Returns:
            The folders of the outputs.
        """
        paths = output_paths([_named_after(source) for source in sources], self.folder, root=root, **self.settings)
        self.planned = {os.path.abspath(source): path for source, path in paths.items()}
        return {path.parent for path in self.planned.values()}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            self._write(case[key], str(key))
        return case

    def _write(self, mask: Any, key: str) -> None:
        source = source_of(mask, unknown="")
        if not source:
            raise DataError(
                f"{key}: it was read from no file, so its name and grid are unknown; use MONAI's SaveImaged"
            )
        kind = format_of(source)
        picture = kind in ("photograph", "dicom") and mask.ndim == 3
        array = _as_shown(mask, source) if picture else _on_file(mask, source)
        labels = np.moveaxis(array, 0, -1) if self.overlapping else array[0]
        if not self.overlapping and len(array) != 1:
            raise DataError(f"{key} {source}: {len(array)} channels of labels; choose one, or set overlapping=True")
        if self.values is not None and not self.overlapping:
            labels = self._valued(labels, source)
        path = self._path(_named_after([source]) if kind == "dicom" and not picture else source)
        affine = None if picture else np.asarray(mask.meta["original_affine"], np.float64)
        write_labels(path, labels, affine, source, self._numbers(labels))
        mask.meta["saved_to"] = [str(path)]

    def _path(self, source: str) -> Path:
        if self.planned is not None:
            if os.path.abspath(source) not in self.planned:
                raise DataError(f"{source}: none of the images that sources lists")
            return self.planned[os.path.abspath(source)]
        (path,) = output_paths([source], self.folder, **self.settings).values()
        if self._written.setdefault(path, source) != source:
            raise DataError(
                f"{self._written[path]} and {source} would both be written to {path}; rename one, or list all images "
                "in sources"
            )
        return path

    def _valued(self, labels: NDArray[Any], source: str) -> NDArray[Any]:
        assert self.values is not None
        if labels.min() < 0 or labels.max() >= len(self.values):
            raise DataError(f"{source}: label {labels.max():g}, where values has {len(self.values)} of them")
        return np.asarray(self.values[labels.astype(np.int64)])

    def _numbers(self, labels: NDArray[Any]) -> dict[str, int] | None:
        if self.structures is None:
            return {f"structure {n}": n for n in range(1, labels.shape[-1] + 1)} if self.overlapping else None
        if self.overlapping and labels.shape[-1] != len(self.structures):
            raise DataError(f"{labels.shape[-1]} channels for the structures {list(self.structures)}")
        if isinstance(self.structures, Mapping):
            return dict(self.structures)
        numbers = range(1, len(self.structures) + 1)
        if self.values is not None and not self.overlapping:
            return {name: int(self.values[n]) for name, n in zip(self.structures, numbers, strict=True)}
        return dict(zip(self.structures, numbers, strict=True))


def _as_shown(mask: MetaTensor, source: str) -> NDArray[Any]:
    """The labels of a picture, rows first."""
    array = mask.as_tensor().cpu().numpy()
    if array.shape[1:] != _shape(mask):
        raise DataError(f"{source}: labels of {array.shape[1:]} for a picture of {_shape(mask)}; put Invertd before")
    return array.swapaxes(1, 2) if mask.meta.get("columns_first") else array


def _on_file(mask: MetaTensor, source: str) -> NDArray[Any]:
    """The labels on the grid that the image's file has."""
    array = mask.as_tensor().cpu().numpy()
    try:
        return into_grid(array, _affine(mask.affine), _affine(mask.meta.get("original_affine")), _shape(mask))
    except DataError as error:
        raise DataError(f"{source}: labels are not on the grid of the file: {error}; put Invertd before") from error


def _shape(mask: MetaTensor) -> tuple[int, ...]:
    return tuple(int(length) for length in mask.meta.get("spatial_shape", mask.shape[1:]))


def _affine(affine: Any) -> NDArray[np.float64]:
    return np.eye(4) if affine is None else np.asarray(affine, np.float64)


def _named_after(source: Any) -> str:
    """What the labels of an image are named after: its file, or the folder of its files."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    first = os.fspath(source[0])
    return os.path.dirname(first) if format_of(first) == "dicom" and not os.path.isdir(first) else first
