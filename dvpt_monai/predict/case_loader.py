"""Images for a prediction, of which one that cannot be read takes none of the others along."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai.data import Dataset
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from dvpt_monai.errors import reason
from dvpt_monai.formats import files_of
from dvpt_monai.sha256 import sha256_of

__all__ = ["CaseLoader", "Failed", "Loaded", "input_hash"]


@dataclass(frozen=True)
class Loaded:
    """A case that is ready for the network.

    Args:
        number: in the list of cases.
        input: sha256 of its files.
        seconds: that it took.
        case: as the transforms left it.
    """

    number: int
    input: str
    seconds: float
    case: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """A case that is not.

    Args:
        number: in the list of cases.
        input: sha256 of its files; empty where they cannot be read.
        seconds: that it took.
        reason: the error, in words.
    """

    number: int
    input: str
    seconds: float
    reason: str


class CaseLoader(DataLoader[Loaded | Failed]):
    """Load cases in batches, each a list of `Loaded` and `Failed`.

    Args:
        dataset: the cases with their transforms.
        batch_size: how many at a time.
        num_workers: processes that load.

    Example:
        >>> def invert(case):
        ...     return {"image": 1 / case["image"]}
        >>> [[first, second]] = CaseLoader(Dataset([{"image": 4}, {"image": 0}], invert), batch_size=2)
        >>> first.case, second.reason
        ({'image': 0.25}, 'ZeroDivisionError: division by zero')
    """

    def __init__(self, dataset: Dataset, batch_size: int = 1, num_workers: int = 0) -> None:
        self.cases: Sequence[Mapping[str, Any]] = dataset.data
        self.chosen = _Chosen(len(self.cases))
        super().__init__(
            _Guarded(dataset), batch_size, sampler=self.chosen, num_workers=num_workers, collate_fn=_as_they_are
        )

    def choose(self, numbers: Sequence[int]) -> None:
        """Load these cases alone from now on."""
        self.chosen.numbers = list(numbers)


def input_hash(case: Mapping[str, Any]) -> str:
    """The sha256 of the files of a case's image; empty where they cannot be read, or it has none."""
    try:
        return sha256_of(*files_of(case["image"]))
    except (OSError, TypeError, ValueError):
        return ""


class _Chosen(Sampler[int]):
    def __init__(self, count: int) -> None:
        self.numbers = list(range(count))

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


class _Guarded(TorchDataset[Loaded | Failed]):
    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Loaded | Failed:
        start = time.perf_counter()
        digest = input_hash(self.dataset.data[number])
        try:
            case = self.dataset[number]
        except Exception as error:  # whatever a transform raises is of this case alone
            return Failed(number, digest, time.perf_counter() - start, in_words(error))
        return Loaded(number, digest, time.perf_counter() - start, case)


def in_words(error: Exception) -> str:
    """The first error of ours behind another, or that with its kind."""
    first = reason(error)
    text = str(first).strip().splitlines()
    ours = type(first).__module__ == "dvpt_monai.errors"
    return text[0] if ours and text else ": ".join([type(first).__name__, *text[:1]])


def _as_they_are(items: list[Loaded | Failed]) -> list[Loaded | Failed]:
    return items
