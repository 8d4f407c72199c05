"""Every error of this package, under one root.

A message names the file, key or case, what is wrong with it, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "AdapterError",
    "BackboneMismatchError",
    "BundleError",
    "CacheError",
    "CachePlaceError",
    "CacheRoomError",
    "CheckpointError",
    "DataError",
    "DvptError",
    "NetworkError",
    "PredictionError",
    "PretrainedError",
    "TuningError",
    "did_you_mean",
    "reason",
]


_IN_TEXT = re.compile(r"^dvpt_monai\.errors\.(\w+): (.+)$", re.MULTILINE)


class DvptError(ValueError):
    """What this package cannot do; the message says what would work."""


class DataError(DvptError):
    """Images, labels or lists of them cannot be used."""


class PredictionError(DvptError):
    """Some cases could not be predicted; all others were."""


class NetworkError(DvptError):
    """A network cannot be built with these arguments."""


class PretrainedError(DvptError):
    """A pre-trained file cannot be read, or does not fit the network."""


class TuningError(DvptError):
    """A network cannot be tuned, merged or restored as asked."""


class AdapterError(DvptError):
    """An adapter file is missing, damaged, of another format, or does not fit the network's shape."""


class BackboneMismatchError(AdapterError):
    """The adapter was trained on another backbone than the network has."""


class CheckpointError(DvptError):
    """A checkpoint is missing, damaged, or of another network."""


class CacheError(DvptError):
    """Cached activations cannot be made, kept or used."""


class CachePlaceError(CacheError):
    """Activations cannot be kept where they should be; a training can do without.

    Args:
        problem: what is wrong with the place.
        options: with which they can be kept.
        otherwise: what else helps.
    """

    def __init__(self, problem: str, options: str = "", otherwise: str = "") -> None:
        super().__init__(problem, options, otherwise)
        self.problem = problem
        self.options = options
        self.otherwise = otherwise

    def __str__(self) -> str:
        return f"{self.problem}. Give {self.options or 'less'}, {self.otherwise}"


class CacheRoomError(CachePlaceError):
    """Cached activations would take more than the budget leaves, or the disk."""


class BundleError(DvptError):
    """A bundle, or what is asked of it, is not as it must be."""


def reason(error: BaseException) -> BaseException:
    """The first of this package's own errors under ``error``, else the one at the bottom.

    Out of a worker of a ``DataLoader`` an error comes as the text of its traceback, in which this looks, too.

    Example:
        >>> try:
        ...     try:
        ...         raise DataError("labels.csv: no such file")
        ...     except ValueError as inner:
        ...         raise RuntimeError("Failed to evaluate") from inner
        ... except RuntimeError as outer:
        ...     print(reason(outer))
        labels.csv: no such file
    """
    while not isinstance(error, DvptError):
        below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if below is None:
            break
        error = below
    in_worker = _IN_TEXT.findall(str(error)) if " in DataLoader worker process " in str(error) else []
    if in_worker:
        name, message = in_worker[-1]  # the innermost comes first
        error = globals().get(name, DvptError)(message)
    return error


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, whatever its capitals; ``None`` where none is near.

    Example:
        >>> did_you_mean("lora", ["DoRA", "LoRA"])
        'LoRA'
        >>> did_you_mean("x", ["DoRA", "LoRA"]) is None
        True
    """
    words = {each.lower(): each for each in known}
    near = get_close_matches(word.lower(), words, 1)
    return words[near[0]] if near else None
