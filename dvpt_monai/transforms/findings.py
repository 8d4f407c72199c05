"""Several labels of an image, read from files of their own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from dvpt_monai.data.findings import read_findings

__all__ = ["ReadFindingsd"]


class ReadFindingsd(MapTransform):
    """Replace the path of a JSON file by a 0 or 1 for each label, see :func:`~dvpt_monai.data.read_findings`.

    Args:
        keys: keys of the labels.
        labels: the names of all labels.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: names the file and what it should hold.

    Example:
        >>> ReadFindingsd("label", ["nodule", "fibrosis"])({"label": [1, 0]})
        {'label': [1, 0]}
    """

    def __init__(self, keys: KeysCollection, labels: Sequence[str], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.labels = list(labels)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            case[key] = read_findings(case[key], self.labels)
        return case
