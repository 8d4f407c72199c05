"""From what was found to the settings of a bundle that trains on a laptop."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dvpt_monai.errors import BundleError, DataError
from dvpt_monai.layouts.listing import Note
from dvpt_monai.new_bundle.backbone import Architecture
from dvpt_monai.new_bundle.classes import check_words, given_names, names_of, numbers_of, ordering, renaming
from dvpt_monai.new_bundle.parts import Parts, place
from dvpt_monai.new_bundle.sizes import (
    cache_rate,
    coarse_axis,
    patch_of,
    size_of,
    spacing_of,
    unseen,
    window_of,
    within,
)
from dvpt_monai.new_bundle.strategy import Strategy, strategy_of
from dvpt_monai.new_bundle.survey import Survey

__all__ = ["Options", "Proposal", "propose"]

WORK = {("classification", 2): 5000, ("classification", 3): 2500, ("segmentation", 2): 3000, ("segmentation", 3): 1600}
"""Images to show in a whole training: minutes on a laptop, not hours; of the fundus bundle's 330 it makes 15 epochs."""
BATCH = {("classification", 2): 8, ("classification", 3): 4, ("segmentation", 2): 4, ("segmentation", 3): 2}
SKEW = 3
"""Weigh the classes where the largest has more than so many times the cases of the smallest."""


@dataclass(frozen=True)
class Options:
    """What the user decides; ``None`` leaves it to the survey.

    Args:
        image_size: pixels or voxels along each side.
        spacing: mm along each axis.
        epochs: of the training.
        batch_size: images of a step.
        names: of the classes or structures, in the order of their numbers, without the background; of classes that
            are texts, these texts in the order that their numbers shall have.
        ordered: whether classes are grades, where a near miss is better than a far one.
        seed: of the split.
    """

    image_size: int | Sequence[int] | None = None
    spacing: float | Sequence[float] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    names: Sequence[str] | None = None
    ordered: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Proposal:
    """The settings of a bundle.

    Args:
        name: of its folder.
        survey: what they rest on.
        architecture: the backbone.
        strategy: how it is tuned.
        parts: the cases in parts.
        classes: names by number; of segmentation, the background first.
        numbers: of the classes of a classification by the labels of its cases, in ascending order.
        values: what masks hold for each of them, or what a predicted mask gets for each region; empty for
            classification.
        image_size: what the network sees, along each axis.
        spacing: mm along each axis; empty in 2D.
        coarse: axis across which a 2D backbone reads volumes slice by slice; ``None`` reads patches of cubes.
        patch: pixels or voxels along each side of a patch.
        channels: that the network reads.
        window: intensities that become 0 and 1; ``None`` takes each image's own percentiles.
        tap: block at which the backbone ends; ``None`` is the last.
        epochs: of the training.
        batch_size: images of a step.
        cache_rate: share of prepared images to keep in memory.
        weigh: power of the classes' inverse frequencies in the loss.
        ordered: whether classes are grades.
        notes: what was assumed.
    """

    name: str
    survey: Survey
    architecture: Architecture
    strategy: Strategy
    parts: Parts
    classes: tuple[str, ...]
    numbers: dict[str, int]
    values: tuple[int, ...]
    image_size: tuple[int, ...]
    spacing: tuple[float, ...]
    coarse: int | None
    patch: int
    channels: int
    window: tuple[float, float] | None
    tap: int | None
    epochs: int
    batch_size: int
    cache_rate: float
    weigh: float
    ordered: bool
    notes: tuple[Note, ...]

    @property
    def task(self) -> str:
        """Classification or segmentation."""
        return self.survey.listing.task

    @property
    def dims(self) -> int:
        """2 or 3."""
        return self.survey.dims

    @property
    def root(self) -> Path:
        """The folder of the data."""
        return self.survey.listing.root

    @property
    def regions(self) -> tuple[tuple[int, ...], ...]:
        """The values that each structure consists of, where structures overlap; else empty."""
        return tuple(self.survey.listing.regions.values())

    @property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """The values in masks that belong to each class, with the background first."""
        return ((0,), *self.regions) if self.regions else tuple((value,) for value in self.values)

    @property
    def predicted(self) -> tuple[str, ...]:
        """The channels of a prediction: structures that overlap have no background."""
        return self.classes[1:] if self.regions else self.classes

    @property
    def backbone(self) -> str:
        """The backbone in words, and what becomes of its patches."""
        if self.patch == self.architecture.patch:
            return str(self.architecture)
        return f"{self.architecture}, resized to {self.patch}"

    @property
    def chooses(self) -> str:
        """The metric that chooses the best epoch."""
        return _best(self.task, self.ordered, self.parts)[0]

    @property
    def cropped(self) -> bool:
        """Whether the median volume is larger than a window."""
        if self.task == "classification" or self.dims == 2:
            return False
        voxels = [mm / step for mm, step in zip(self.survey.extent, self.spacing, strict=True)]
        return any(length > side for length, side in zip(voxels, self.image_size, strict=True))


def propose(survey: Survey, architecture: Architecture, name: str, options: Options) -> Proposal:
    """Choose every setting.

    Raises:
        BundleError: the name is none that tools of MONAI take.
        DataError: too few cases, a backbone of volumes for photographs, or options that do not fit.
    """
    task, dims = survey.listing.task, survey.dims
    notes = [*survey.listing.notes, *survey.notes, *_named(name, task)]
    listing = survey.listing
    if architecture.dims > dims:
        raise DataError(
            f"{architecture.weights} was trained on volumes, but the data are photographs; give another backbone"
        )
    numbers = {} if survey.masks else numbers_of(survey, given_names(options.names))
    classes, values = names_of(survey, numbers, given_names(options.names))
    structures, present = _structures(survey, classes, values)
    parts = place(listing, numbers, options.seed, structures, present)
    notes += renaming(values[1:] or tuple(numbers), classes[bool(values) :]) if options.names is not None else []
    if any(case.channels for case in listing.cases) and not listing.endings:
        notes.append(Note("a case's channels are files of their own; to predict a new one, stack them along a fourth "
                          "axis of one file, in the same order", warning=True))  # fmt: skip
    if listing.layered:
        notes.append(Note("segments overlap, each is a channel of its own; predictions are .seg.nrrd in layers",
                          "--output-format"))  # fmt: skip
    elif listing.regions:
        written = ", ".join(f"{name} {value}" for name, value in zip(classes[1:], values[1:], strict=True))
        notes.append(Note(f"regions overlap, each is a channel of its own; a predicted mask holds {written}"))
    elif values != tuple(range(len(values))):
        notes.append(Note(f"masks hold {', '.join(map(str, values))}, which become 0 to {len(values) - 1}; predictions "
                          "are written with the values of the masks"))  # fmt: skip
    check_words([str(survey.listing.root), architecture.weights, *classes])
    if listing.ignored is not None:
        notes.append(Note(f"value {listing.ignored} of the masks is neither learned nor scored (ignore)"))
    notes += ordering(tuple(numbers), classes, options.names is not None, options.ordered) if numbers else []
    metric, why = _best(task, options.ordered, parts)
    notes.append(Note(f"the best epoch is that of the highest {metric} in the validation: {why}",
                      "key_metric in train.json"))  # fmt: skip
    patch = patch_of(task, dims, architecture, survey.size)
    if architecture.random:
        architecture = replace(architecture, patch=patch)
    coarse = coarse_axis(survey) if architecture.lifted else None
    if task == "segmentation" and coarse != 2:  # UNETR cuts across the last axis alone
        coarse = None
    if coarse is not None:
        apart = f"{survey.spacing[coarse] / within(survey, coarse):.3g}"
        notes.append(Note(f"slices lie {apart} times as far apart as pixels, so the backbone reads each by itself",
                          "--volume inflate makes patches of cubes"))  # fmt: skip
    spacing = spacing_of(survey, options.spacing, notes, coarse)
    learning = parts.training
    strategy = strategy_of(task, dims, architecture, learning)
    size = size_of(survey, spacing, patch, options.image_size, strategy.whole)
    notes += [*unseen(survey, size, window_of(survey), strategy.whole), *strategy.notes]
    batch = strategy.batch or BATCH[task, dims]
    epochs = options.epochs or min(40, max(4, round(WORK[task, dims] / max(1, learning))))
    counts = Counter(str(case.label) for case in parts.cases if case.part == "train")
    skewed = bool(numbers) and min(counts.values()) >= 5 and max(counts.values()) > SKEW * min(counts.values())
    if skewed:
        notes.append(
            Note("rare classes weigh more in the loss, by the root of their frequency", "--class_weight_power")
        )
    return Proposal(
        name=name,
        survey=survey,
        architecture=architecture,
        strategy=strategy,
        parts=parts,
        classes=classes,
        numbers=numbers,
        values=values,
        image_size=size,
        spacing=spacing,
        coarse=coarse,
        patch=patch,
        channels=3 if dims == 2 else survey.channels,
        window=window_of(survey),
        tap=architecture.layers // 2 if architecture.layers >= 8 and not strategy.whole else None,
        epochs=epochs,
        batch_size=options.batch_size or max(1, min(batch, learning // 2)),
        cache_rate=cache_rate(survey, size, spacing, parts.count("train")),
        weigh=0.5 if skewed else 0.0,
        ordered=options.ordered,
        notes=(*notes, *parts.notes),
    )


def _named(name: str, task: str) -> list[Note]:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "mine"
        plain = plain if plain[0].isalpha() else f"data_{plain}"
        raise BundleError(f"--out: {name!r} is not in lower case with underscores, as bundles are named; take {plain}")
    if name.endswith(("classification", "segmentation")):
        return []
    return [Note(f"MONAI Label reads the task from the name: {name}_{task} would tell it", "--out")]


def _structures(
    survey: Survey, classes: Sequence[str], values: Sequence[int]
) -> tuple[dict[int, str], tuple[frozenset[int], ...]]:
    """The names of structures by their numbers, and which of these each mask shows; numbers are values or regions."""
    if survey.masks is None:
        return {}, ()
    if not survey.listing.regions:
        return dict(zip(values[1:], classes[1:], strict=True)), survey.masks.present
    regions = dict(enumerate(map(set, survey.listing.regions.values()), 1))
    present = (frozenset(number for number, region in regions.items() if found & region)
               for found in survey.masks.present)  # fmt: skip
    return dict(enumerate(classes[1:], 1)), tuple(present)


def _best(task: str, ordered: bool, parts: Parts) -> tuple[str, str]:
    """The metric that chooses the best epoch, and why."""
    if task == "segmentation":
        return "mean_dice", "it counts all structures alike, large and small"
    if ordered:
        return "quadratic_kappa", "it forgives a near grade more than a far one"
    if parts.ranked:
        return "auc", "it needs no threshold and counts rare classes as much as others"
    return "accuracy", "an AUC needs two classes, and a validation might hold only one"
