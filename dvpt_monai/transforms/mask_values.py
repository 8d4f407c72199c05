"""From the values that masks are saved with to labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from torch import Tensor

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError

__all__ = ["MaskLabelsd"]


class MaskLabelsd(MapTransform):
    """Number the values of a mask, right after loading: 0 for the first of them, 1 for the second.

    Masks are often 0 and 255, and saved as colours though they are gray: of equal channels one is kept. MONAI's
    ``MapLabelValued`` lets pass what it does not know.

    **Shape**: (C, *spatial) with equal channels -> (1, *spatial)

    Args:
        keys: keys of the masks.
        values: what the masks hold for the background, the first structure, the second, ...
        ignored: a value that nothing is known of, which becomes -1.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on another value, and on channels that differ; names the file.

    Example:
        >>> MaskLabelsd("label", values=[0, 255])({"label": torch.tensor([[[0, 255, 0]]])})["label"]
        tensor([[[0., 1., 0.]]])
        >>> MaskLabelsd("label", values=[0, 255])({"label": torch.tensor([[[0, 128, 0]]])})
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: label (in memory): value 128 is none of 0, 255; ...
    """

    def __init__(
        self, keys: KeysCollection, values: Sequence[int], ignored: int | None = None, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.values = list(values)
        self.ignored = ignored

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            mask = convert_to_tensor(case[key], track_meta=isinstance(case[key], MetaTensor))
            case[key] = self._labels(mask, f"{key} {source_of(mask)}")
        return case

    def _labels(self, mask: Tensor, where: str) -> Tensor:
        colours = mask[:1] if len(mask) <= 2 else mask[:3]  # without the transparency of the second or fourth
        if not bool((colours == colours[:1]).all()):
            raise DataError(
                f"{where}: a coloured mask; save it with one number for each structure, in gray or a palette"
            )
        mask = colours[:1].float()
        labels = torch.full_like(mask, -1)
        for label, value in enumerate(self.values):
            labels[mask == value] = label
        unknown = mask[labels < 0] if self.ignored is None else mask[(labels < 0) & (mask != self.ignored)]
        if unknown.numel():
            known = ", ".join(map(str, self.values))
            raise DataError(
                f"{where}: value {unknown.flatten()[0].item():g} is none of {known}; correct the mask, or set "
                "label_values and num_classes"
            )
        return labels
