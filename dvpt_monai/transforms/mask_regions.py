"""Regions, each of several values of a mask, which overlap: a tumour with its core inside."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError

__all__ = ["MaskRegionsd", "RegionMapd"]


class MaskRegionsd(MapTransform):
    """Make a channel of 0 and 1 for each region out of the values of a mask, right after loading.

    **Shape**: (1, *spatial) -> (R, *spatial)

    Args:
        keys: keys of the masks.
        regions: the values that each region consists of.
        ignored: a value that nothing is known of; it becomes -1 in every channel.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on a value that is in no region and is not 0, and on several channels; names the file.

    Example:
        >>> mask = torch.tensor([[[0, 1, 2, 3]]])
        >>> MaskRegionsd("label", regions=[[1, 2], [2]], ignored=3)({"label": mask})["label"].tolist()
        [[[0.0, 1.0, 1.0, -1.0]], [[0.0, 0.0, 1.0, -1.0]]]
    """

    def __init__(
        self,
        keys: KeysCollection,
        regions: Sequence[Sequence[int]],
        ignored: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.regions = [list(region) for region in regions]
        self.ignored = ignored

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        members = {0, *(value for region in self.regions for value in region)}
        known = sorted(members if self.ignored is None else members | {self.ignored})
        for key in self.key_iterator(case):
            mask = convert_to_tensor(case[key], track_meta=isinstance(case[key], MetaTensor))
            strange = mask[~torch.isin(mask, torch.tensor(known, dtype=mask.dtype))]
            if len(mask) > 1 or strange.numel():
                wrong = f"{len(mask)} channels" if len(mask) > 1 else f"value {strange.flatten()[0].item():g}"
                values = ", ".join(map(str, known))
                raise DataError(f"{key} {source_of(mask)}: {wrong}; a mask has one channel, and holds of {values}")
            inside = [torch.isin(mask, torch.tensor(region, dtype=mask.dtype)) for region in self.regions]
            channels = torch.cat([region.float() for region in inside])
            case[key] = channels if self.ignored is None else torch.where(mask == self.ignored, -1.0, channels)
        return case


class RegionMapd(MapTransform):
    """Make one mask of predicted regions again, a later region over an earlier one.

    **Shape**: (R, *spatial) -> (1, *spatial)

    Args:
        keys: keys of the regions; what is above 0 is inside.
        values: what the mask holds for each region.
        allow_missing_keys: skip keys that a case does not have.

    Example:
        >>> RegionMapd("pred", values=[1, 2])({"pred": torch.tensor([[0.0, 1, 1], [0, 0, 1]])})["pred"].tolist()
        [[0, 1, 2]]
    """

    def __init__(self, keys: KeysCollection, values: Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.values = list(values)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            regions = case[key]
            if len(regions) != len(self.values):
                raise DataError(f"{key}: {len(regions)} channels for {len(self.values)} regions; correct values")
            merged = torch.zeros_like(regions[:1], dtype=torch.int32)
            for region, value in zip(regions, self.values, strict=True):
                merged[0][region > 0] = value
            case[key] = merged
        return case
