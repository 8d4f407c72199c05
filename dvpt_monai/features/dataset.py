"""A data set whose images were seen by the frozen part of a network before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import monai.data
import torch
from monai.inferers import Inferer
from monai.transforms import Compose, RandomizableTrait, Transform
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dvpt_monai.data.replay import Drawn
from dvpt_monai.errors import CacheError
from dvpt_monai.features.entry import IMAGE, Entry, sample_of
from dvpt_monai.features.key import case_digest, digest_of, header_of, source_of_backbone
from dvpt_monai.features.store import Store
from dvpt_monai.tuning.frozen import frozen_activations

__all__ = ["CachedDataset", "draws"]

Missing = tuple[int, list[int]]
"""A case, and the views of it that are not there."""


class CachedDataset(Drawn):
    """Cases whose images are read from a cache as the activations of a network's frozen part.

    An item is asked for as (epoch, case) or as case alone, which is its first view. It is what the data set gives, but
    for the image, in whose place activations stand, by their names, for each window that the inferer asks for.

    Args:
        dataset: cases as ``data``, and their ``transform``.
        inferer: what hands the images to the network.
        network: tuned.
        seed: of the draws.
        views: draws of the random transforms a case; of a data set without them there is one.
        dtype: that the activations are kept in.
        name: of the data set, for people.
    """

    def __init__(
        self,
        dataset: Any,
        inferer: Inferer,
        network: nn.Module,
        seed: int = 0,
        views: int = 1,
        dtype: str = "float16",
        name: str = "",
    ) -> None:
        random = draws(dataset.transform)
        super().__init__(dataset, seed, views if random else 1)
        self.random = random
        self.inferer = inferer
        self.network = network
        self.dtype = dtype
        self.name = name
        self.from_images = False
        self.opened: Store | None = None
        self.names: list[list[str]] = []

    def __getstate__(self) -> dict[str, Any]:
        read = self.dataset if self.from_images else [None] * len(self)
        return {**vars(self), "network": None, "inferer": None, "dataset": read}  # for workers that read

    def __getitem__(self, place: int | tuple[int, int]) -> Any:
        epoch, case = place if isinstance(place, tuple) else (0, place)
        if self.from_images:
            return super().__getitem__((epoch, case))
        return self.store.read(self.names[case][epoch % self.views])

    @property
    def store(self) -> Store:
        """Where the entries are, once it is open."""
        if self.opened is None:
            raise CacheError("the cache of activations was not filled; call fill() of its FeatureCache first")
        return self.opened

    def place(self, root: Path) -> None:
        """Find out where the entries are, for which no case is read."""
        header = header_of(self.network, self.dataset.transform, self.inferer, self.dtype)
        about = {"source": source_of_backbone(self.network), "of": self.name, "cases": len(self), "views": self.views}
        self.opened = Store(root, header, about)

    def open(self) -> dict[Path, CacheError]:
        """Find out what the entries are called, and open those that are there, see :meth:`Store.open`."""
        cases = [case_digest(case) for case in self.dataset.data]
        self.names = [
            [self._name(digest, case, view) for view in range(self.views)] for case, digest in enumerate(cases)
        ]
        return self.store.open()

    def least_bytes(self) -> int:
        """What all entries take at least: more where an image has several windows or slices, or a mask."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        values = sum(math.prod(size) for size in self.store.header["activations"].values())
        return values * dtype.itemsize * self.views * len(self)

    def _name(self, digest: str, case: int, view: int) -> str:
        return digest_of([digest, self.seed_of_draw(view, case) if self.random else None])[:32]

    def missing(self) -> list[Missing]:
        """Cases of which views are not in the cache, and these."""
        lacking = [
            (case, [view for view, name in enumerate(names) if name not in self.store])
            for case, names in enumerate(self.names)
        ]
        return [(case, views) for case, views in lacking if views]

    def make(self, missing: Sequence[Missing], workers: int = 0) -> Iterator[dict[str, Entry]]:
        """Compute what is missing: the entries of each case, by their names."""
        loader = DataLoader(
            Views(self.dataset, self.seed, self.views, missing),
            batch_size=None,
            num_workers=workers,
            collate_fn=list,
            generator=torch.Generator(),  # a training's random numbers are not touched
        )
        for (case, views), items in zip(missing, loader, strict=True):
            names = [self.names[case][view] for view in views]
            yield dict(zip(names, self._entries(items), strict=True))

    def _entries(self, items: list[Any]) -> list[Entry]:
        listed = [item if isinstance(item, list) else [item] for item in items]
        flat = [sample for samples in listed for sample in samples]
        activations = iter(self._activations([sample[IMAGE] for sample in flat]))
        dtype: torch.dtype = getattr(torch, self.dtype)
        return [
            Entry([sample_of(sample, next(activations), dtype) for sample in samples], isinstance(item, list))
            for item, samples in zip(items, listed, strict=True)
        ]

    def _activations(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Of each image, those of its windows, (W, ...)."""
        device = next(self.network.parameters()).device
        parts: list[dict[str, Tensor]] = []

        def record(windows: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            parts.append(frozen_activations(self.network, windows.as_subclass(Tensor)))
            return windows.new_zeros(len(windows), 1, *windows.shape[2:])

        with torch.no_grad():
            self.inferer(torch.stack(images).as_subclass(Tensor).to(device), record)
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        count = len(next(iter(whole.values()))) // len(images)
        return [{name: value[i * count : (i + 1) * count] for name, value in whole.items()} for i in range(len(images))]


class Views(Dataset[Any]):
    """The views of cases that are missing, for which each case is loaded once."""

    def __init__(self, dataset: Any, seed: int, views: int, missing: Sequence[Missing]) -> None:
        self.dataset = dataset
        self.seed = seed
        self.views = views
        self.missing = missing

    def __len__(self) -> int:
        return len(self.missing)

    def __getitem__(self, index: int) -> list[Any]:
        case, views = self.missing[index]
        if not isinstance(self.dataset.transform, Compose):
            drawn = Drawn(self.dataset, self.seed, self.views)
            return [drawn[view, case] for view in views]
        # this does what stands before the first random transform once
        once = monai.data.CacheDataset([self.dataset.data[case]], self.dataset.transform, progress=False)
        drawn = Drawn(once, self.seed, self.views)
        return [drawn[view, 0] for view in views]


def draws(transform: Callable[..., Any]) -> bool:
    """Whether a transform may give something else each time, as far as MONAI can tell.

    Example:
        >>> from monai.transforms import RandFlipd, ToTensord
        >>> draws(Compose([ToTensord("image")])), draws(Compose([ToTensord("image"), RandFlipd("image")]))
        (False, True)
    """
    steps: Iterable[Any] = transform.flatten().transforms if isinstance(transform, Compose) else [transform]
    return any(isinstance(step, RandomizableTrait) or not isinstance(step, Transform) for step in steps)
