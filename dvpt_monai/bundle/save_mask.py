"""The mask of a photograph as a PNG of its size."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, SaveImaged
from PIL import Image

from dvpt_monai.data import DataError
from dvpt_monai.whole_file import whole_file

__all__ = ["SaveMaskd"]


class SaveMaskd(SaveImaged):
    """Write labels as ``<image>_seg.png``, with rows and columns as they are.

    MONAI's own swaps rows and columns, as its readers do by default. It is one of MONAI's ``SaveImaged`` all the same:
    MONAI Label and MONAI Deploy, which write results themselves, leave it out.

    **Shape**: (1, H, W), unchanged

    Args:
        keys: keys of the masks.
        output_dir: folder to write to; made if missing.
        postfix: behind the image's name.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: where two images would write to one file.

    Example:
        >>> import tempfile, torch
        >>> mask = MetaTensor(torch.ones(1, 4, 6), meta={"filename_or_obj": "skin/a.jpg"})
        >>> with tempfile.TemporaryDirectory() as home:
        ...     _ = SaveMaskd("pred", home)({"pred": mask})
        ...     Image.open(Path(home, "a_seg.png")).size
        (6, 4)
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike[str],
        postfix: str = "seg",
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.folder = Path(output_dir)
        self.postfix = postfix
        self._written: dict[str, str] = {}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            mask = case[key]
            source = str(mask.meta.get("filename_or_obj", "image")) if isinstance(mask, MetaTensor) else "image"
            name = Path(source).stem
            if self._written.setdefault(name, source) != source:
                raise DataError(f"{source} and {self._written[name]} would both become {name}.png; rename one")
            with whole_file(self.folder / f"{name}_{self.postfix}.png") as part:
                Image.fromarray(np.asarray(mask[0].cpu()).astype(np.uint8)).save(part)
        return case
