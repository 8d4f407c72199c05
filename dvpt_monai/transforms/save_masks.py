"""Masks of photographs as PNGs of their size, one for each structure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from monai.config import KeysCollection
from numpy.typing import NDArray
from torch import Tensor

from dvpt_monai.data.masks import distinct
from dvpt_monai.errors import DataError
from dvpt_monai.transforms.save import SavePNGd

__all__ = ["SaveImageMasksd"]


class SaveImageMasksd(SavePNGd):
    """Write each channel of a mask as ``<image>_<structure>.png``, 0 and 255, as `read_masks` reads them.

    MONAI's own writes channels as colours.

    **Shape**: (C, H, W), unchanged

    Args:
        keys: keys of the masks; what is above 0 is inside.
        output_dir: folder to write to; made if missing.
        structures: names of the channels.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: names that are not those of files, or twice the same; another number of channels; or two images that
            would write to one file.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from monai.data import MetaTensor
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
        super().__init__(keys, output_dir, allow_missing_keys)
        self.structures = distinct(structures)

    def pictures(self, mask: Tensor, source: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Each structure, 0 and 255."""
        if len(mask) != len(self.structures):
            raise DataError(f"{source}: {len(mask)} channels for the structures {self.structures}")
        for structure, channel in zip(self.structures, mask, strict=True):
            yield structure, np.uint8(255) * (np.asarray(channel.cpu()) > 0).astype(np.uint8)
