"""Masks that may overlap, for people and for tools: one file for each structure, or one map of labels."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, SaveImaged
from PIL import Image
from torch import Tensor

from dvpt_monai.data import DataError
from dvpt_monai.whole_file import whole_file

__all__ = ["LabelMapd", "SaveImageMasksd"]


class SaveImageMasksd(SaveImaged):
    """Write each channel of a mask as ``<image>_<structure>.png``, 0 and 255, as `read_masks` reads them.

    It takes the place of MONAI's ``SaveImaged``, which writes channels as colours, and it is one: MONAI Label and MONAI
    Deploy, which write results themselves, leave it out.

    **Shape**: (C, H, W), unchanged

    Args:
        keys: keys of the masks; what is above 0 is inside.
        output_dir: folder to write to; made if missing.
        structures: names of the channels.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on another number of channels, or where two images would write to one file.

    Example:
        >>> import tempfile
        >>> mask = MetaTensor(torch.ones(2, 4, 6), meta={"filename_or_obj": "eyes/a.jpg"})
        >>> with tempfile.TemporaryDirectory() as home:
        ...     _ = SaveImageMasksd("pred", home, ["MA", "EX"])({"pred": mask})
        ...     print(sorted(path.name for path in Path(home).iterdir()))
        ['a_EX.png', 'a_MA.png']
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike[str],
        structures: Sequence[str],
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.folder = Path(output_dir)
        self.structures = list(structures)
        self._written: dict[str, str] = {}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            mask = case[key]
            source = str(mask.meta.get("filename_or_obj", "image")) if isinstance(mask, MetaTensor) else "image"
            if len(mask) != len(self.structures):
                raise DataError(f"{key} {source}: {len(mask)} channels for the structures {self.structures}")
            name = Path(source).stem
            if self._written.setdefault(name, source) != source:
                raise DataError(
                    f"{source} and {self._written[name]} have one name, and so would their masks; rename one"
                )
            for structure, channel in zip(self.structures, mask, strict=True):
                pixels = np.uint8(255) * (np.asarray(channel.cpu()) > 0).astype(np.uint8)
                with whole_file(self.folder / f"{name}_{structure}.png") as part:
                    Image.fromarray(pixels).save(part)
        return case


class LabelMapd(MapTransform):
    """Make one map of labels out of masks: 0 background, 1 the first channel, 2 the second; what MONAI Label shows.

    Where masks overlap the first of them is shown, so the smallest structures should come first.

    **Shape**: (C, *spatial) -> (1, *spatial), uint8

    Args:
        keys: keys of the masks; what is above 0 is inside.
        allow_missing_keys: skip keys that a case does not have.

    Example:
        >>> LabelMapd("pred")({"pred": torch.tensor([[0.0, 1, 0], [1, 1, 0]])})["pred"].tolist()
        [[2, 1, 0]]
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            case[key] = _label_map(case[key])
        return case


def _label_map(masks: Tensor) -> Tensor:
    inside = masks > 0
    first = inside.to(torch.uint8).argmax(dim=0, keepdim=True) + 1
    return torch.where(inside.any(dim=0, keepdim=True), first, 0).to(torch.uint8)
