"""Labels of photographs as PNGs of their size."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, SaveImaged
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.formats import name_of, output_paths, smallest
from dvpt_monai.whole_file import whole_file

__all__ = ["SaveMaskd", "SavePNGd"]


class SavePNGd(SaveImaged):
    """Write pictures that are named after the image, each whole or not at all.

    It is one of MONAI's ``SaveImaged``: MONAI Label and MONAI Deploy, which write results themselves, leave it out.

    Args:
        keys: keys of the masks.
        output_dir: folder to write to; made if missing.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: where two images would write to one file.
    """

    def __init__(
        self, keys: KeysCollection, output_dir: str | os.PathLike[str], allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.folder = Path(output_dir)
        self._folders: dict[str, Path] = {}
        self._written: dict[Path, str] = {}

    def expect(
        self, sources: Sequence[str | os.PathLike[str]], root: str | os.PathLike[str] | None = None
    ) -> set[Path]:
        """Name the outputs of all images that will come, so that no two are one.

        Args:
            sources: the images.
            root: the folder that was searched for them, if one was; below it they keep their path.

        Returns:
            The folders of the outputs.
        """
        paths = output_paths(sources, self.folder, output_format="png", root=root)
        self._folders = {os.path.abspath(source): path.parent for source, path in paths.items()}
        return {*self._folders.values()}

    @abstractmethod
    def pictures(self, mask: Tensor, source: str) -> Iterator[tuple[str, NDArray[Any]]]:
        """What to write of a mask: what follows the image's name, and (H, W) pixels."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            mask = case[key]
            source = source_of(mask, unknown="image")
            name = self._folders.get(os.path.abspath(source), self.folder) / name_of(source)
            if self._written.setdefault(name, source) != source:
                raise DataError(
                    f"{source} and {self._written[name]} have one name, and so would their masks; rename one"
                )
            paths = []
            for suffix, pixels in self.pictures(mask, source):
                paths.append(f"{name}_{suffix}.png")
                with whole_file(paths[-1]) as part:
                    Image.fromarray(pixels).save(part)
            if isinstance(mask, MetaTensor):
                mask.meta["saved_to"] = paths
        return case


class SaveMaskd(SavePNGd):
    """Write labels as ``<image>_seg.png``, with rows and columns as they are.

    MONAI's own swaps rows and columns, as its readers do by default.

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
        >>> from monai.data import MetaTensor
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
        super().__init__(keys, output_dir, allow_missing_keys)
        self.postfix = postfix

    def pictures(self, mask: Tensor, source: str) -> Iterator[tuple[str, NDArray[Any]]]:
        """The labels, in 8 bits or in 16."""
        labels = smallest(np.asarray(mask[0].cpu()), source)
        if labels.dtype not in (np.uint8, np.uint16):
            raise DataError(f"{source}: labels from {labels.min()} to {labels.max()} fit into no PNG")
        yield self.postfix, labels
