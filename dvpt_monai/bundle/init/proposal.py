"""From what was found to the settings of a bundle that trains on a laptop."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, inf, log10, prod
from pathlib import Path

from dvpt_monai.bundle.errors import BundleError
from dvpt_monai.bundle.init.backbone import Architecture
from dvpt_monai.bundle.init.listing import Note
from dvpt_monai.bundle.init.parts import Parts, place
from dvpt_monai.bundle.init.survey import Survey
from dvpt_monai.data import DataError

__all__ = ["Options", "Proposal", "propose"]

PATCHES = 8, 12
"""Along each side of a photograph to classify: at least, and at most: 144 tokens take a laptop 20 ms."""
PICTURE = 256
"""Pixels along each side of a photograph to segment, at most."""
WINDOW = 64
"""Voxels along each side of a window, at most: 512 patches of 8."""
WINDOWS = 3
"""A volume is at most so many windows long; larger ones get a coarser spacing."""
MEMORY = 2e9
"""Bytes of prepared images to keep in memory."""
WORK = {("classification", 2): 5000, ("classification", 3): 2500, ("segmentation", 2): 3000, ("segmentation", 3): 1600}
"""Images to show in a whole training: minutes on a laptop, not hours."""
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
        parts: the cases in parts.
        classes: names by number; of segmentation, the background first.
        numbers: of the classes of a classification by the labels of its cases, in ascending order.
        values: what masks hold for each of them; empty for classification.
        image_size: what the network sees, along each axis.
        spacing: mm along each axis; empty in 2D.
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
    parts: Parts
    classes: tuple[str, ...]
    numbers: dict[str, int]
    values: tuple[int, ...]
    image_size: tuple[int, ...]
    spacing: tuple[float, ...]
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
    def backbone(self) -> str:
        """The backbone in words, and what becomes of its patches."""
        resized = self.patch != self.architecture.patch
        return f"{self.architecture}{f', resized to {self.patch}' * resized}"

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


def propose(found: Survey, architecture: Architecture, name: str, options: Options) -> Proposal:
    """Choose every setting.

    Raises:
        BundleError: the name is none that tools of MONAI take.
        DataError: too few cases, a backbone of volumes for photographs, or options that do not fit.
    """
    task, dims = found.listing.task, found.dims
    notes = [*found.listing.notes, *found.notes, *_named(name, task)]
    if architecture.dims > dims:
        raise DataError(
            f"{architecture.weights} was trained on volumes, but the data are photographs; give another backbone"
        )
    numbers = {} if found.masks else _numbers(found, _given(options.names))
    parts = place(found.listing, numbers, options.seed)
    classes, values = _classes(found, numbers, _given(options.names))
    notes += _renamed(values[1:] or tuple(numbers), classes[bool(values) :]) if options.names is not None else []
    if values != tuple(range(len(values))):
        notes.append(Note(f"masks hold {', '.join(map(str, values))}, which become 0 to {len(values) - 1}; predictions "
                          "are written with the values of the masks"))  # fmt: skip
    _check_words([str(found.listing.root), architecture.weights, *classes])
    notes += _unread(found)
    notes += _order(tuple(numbers), classes, options) if numbers else []
    metric, why = _best(task, options.ordered, parts)
    notes.append(Note(f"the best epoch is that of the highest {metric} in the validation: {why}",
                      "key_metric in train.json"))  # fmt: skip
    patch = _patch(task, dims, architecture, found.size)
    if architecture.random:
        architecture = replace(architecture, patch=patch)
    spacing = _spacing(found, options.spacing, notes)
    size = _size(found, spacing, patch, options.image_size, notes)
    notes += _seen(found, size, _window(found))
    learning = parts.training
    epochs = options.epochs or min(40, max(4, round(WORK[task, dims] / max(1, learning))))
    counts = Counter(str(case.label) for case in parts.cases if case.part == "train")
    skewed = bool(numbers) and min(counts.values()) >= 5 and max(counts.values()) > SKEW * min(counts.values())
    if skewed:
        notes.append(
            Note("rare classes weigh more in the loss, by the root of their frequency", "--class_weight_power")
        )
    return Proposal(
        name=name,
        survey=found,
        architecture=architecture,
        parts=parts,
        classes=classes,
        numbers=numbers,
        values=values,
        image_size=size,
        spacing=spacing,
        patch=patch,
        channels=3 if dims == 2 else found.channels,
        window=_window(found),
        tap=architecture.layers // 2 if architecture.layers >= 8 else None,
        epochs=epochs,
        batch_size=options.batch_size or max(1, min(BATCH[task, dims], learning // 2)),
        cache_rate=_cache_rate(found, size, spacing, parts.count("train")),
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


def _in_order(name: str) -> tuple[float, str]:
    """Numbers before names, 2 before 10, also in front of a name.

    Example:
        >>> sorted(["b", "10_severe", "2_mild", "a"], key=_in_order)
        ['2_mild', '10_severe', 'a', 'b']
    """
    number = re.match(r"-?\d+", name)
    return (float(number[0]) if number else inf, name)


def _is_number(label: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", label) is not None


def _given(names: Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return tuple(str(name) for name in ([names] if isinstance(names, str) else names))


def _numbers(found: Survey, given: tuple[str, ...] | None) -> dict[str, int]:
    """Classes in the order of their numbers, where they are numbers; else of the given names, else of their own."""
    names = sorted({str(case.label) for case in found.listing.cases}, key=_in_order)
    if len(names) == 1:
        raise DataError(f"{found.listing.root}: all cases are of class {names[0]!r}; a classifier needs two or more")
    if len(names) > 1000:
        raise DataError(
            f"{found.listing.root}: {len(names)} classes; is this the column of the classes? --label_column"
        )
    if given is not None and not all(map(_is_number, names)):
        # A text says what its cases are: another name by its position would call them what they are not.
        if sorted(given) != sorted(names):
            raise DataError(
                f"--names {list(given)}: the classes of the data are {', '.join(names)}; write these in the order that "
                f'you want, as --names "{names}", or rename them in the data'
            )
        names = list(given)
    return {name: number for number, name in enumerate(names)}


def _classes(
    found: Survey, numbers: dict[str, int], given: tuple[str, ...] | None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names by number, and what masks hold for each."""
    told, values = found.listing.names, tuple[int, ...]()
    labels = tuple(numbers)
    if found.masks is not None:
        # A structure that no mask shows but dataset.json names is one all the same.
        values = tuple(sorted({*found.masks.values, *told}))
        usual = {value: f"label {value}" if len(values) > 2 else "foreground" for value in values} | {0: "background"}
        labels = tuple(told.get(value, usual[value]) for value in values)
    if given is None:
        return labels, values
    first = int(bool(values))  # the background has its name
    if len(given) != len(labels) - first or len(set(given)) != len(given):
        raise DataError(
            f"--names: {len(given)} names for {', '.join(labels[first:])}; give one for each, all different, in this "
            "order"
        )
    return labels[:first] + given, values


def _check_words(words: Sequence[str]) -> None:
    """Refuse what a config of MONAI reads as something else than a word."""
    for word in words:
        if "#" in word or word[:1] in ("$", "@", "%"):
            raise DataError(f"{word!r}: configs of MONAI give # anywhere and $, @, % in front a meaning; rename it")


def _renamed(values: Sequence[str | int], names: Sequence[str]) -> list[Note]:
    """Which value got which of the given names, where they differ."""
    pairs = [(str(value), name) for value, name in zip(values, names, strict=True)]
    told = ", ".join(f"{value} -> {name}" for value, name in pairs)
    return [Note(f"names by the order of the values: {told}", "--names")] * any(value != name for value, name in pairs)


def _order(labels: Sequence[str], classes: Sequence[str], options: Options) -> list[Note]:
    alphabetical = options.names is None and not all(_in_order(label)[0] < inf for label in labels)
    if options.ordered and alphabetical:
        order = " < ".join(classes)
        return [Note(f"the grades are in the order {order}, that of the alphabet; if that is wrong, give theirs",
                     "--names", warning=True)]  # fmt: skip
    if options.ordered or not (alphabetical or len(classes) > 2):
        return []
    listed = f" and are numbered by the alphabet: {', '.join(classes)}" * alphabetical
    example = f'--ordered --names "{list(classes)}" in their order' if alphabetical else "--ordered"
    return [Note(f"the classes have no order{listed}", f"{example}, where they are grades")]


def _best(task: str, ordered: bool, parts: Parts) -> tuple[str, str]:
    """The metric that chooses the best epoch, and why."""
    if task == "segmentation":
        return "mean_dice", "it counts all structures alike, large and small"
    if ordered:
        return "quadratic_kappa", "it forgives a near grade more than a far one"
    if parts.ranked:
        return "auc", "it needs no threshold and counts rare classes as much as others"
    return "accuracy", "an AUC needs two classes, and a validation might hold only one"


def _unread(found: Survey) -> list[Note]:
    masks = found.masks
    if masks is None or masks.read == masks.total:
        return []
    return [
        Note(f"{masks.read} of {masks.total} masks were read; a value that others hold stops the training and is named")
    ]


def _patch(task: str, dims: int, architecture: Architecture, size: tuple[int, ...]) -> int:
    if dims == 3:
        return 16 if architecture.dims == 3 and architecture.patch > 8 else 8
    if task == "classification":
        return architecture.patch
    return 8 if max(size) <= PICTURE // 2 else 16


def _spacing(found: Survey, given: float | Sequence[float] | None, notes: list[Note]) -> tuple[float, ...]:
    if found.dims == 2:
        if given is not None:
            raise DataError("--spacing: photographs have none; leave it out")
        return ()
    if given is not None:
        axes = (given,) * 3 if isinstance(given, (int, float)) else tuple(given)
        if len(axes) != 3 or not all(mm > 0 for mm in axes):
            raise DataError(f"--spacing {given}: give one number of mm, or three")
        return tuple(float(mm) for mm in axes)
    if found.listing.task == "classification":
        # One scale for all axes, at which the whole volume fits the network: a shape stays that shape.
        return (_rounded(max(min(found.spacing), max(found.extent) / WINDOW)),) * 3
    finest = tuple(max(mm, extent / (WINDOW * WINDOWS)) for mm, extent in zip(found.spacing, found.extent, strict=True))
    spacing = tuple(_rounded(mm) for mm in finest)
    if finest != found.spacing:
        median = " x ".join(f"{mm:g}" for mm in map(_rounded, found.spacing))
        text = f"a coarser grid than the files' {median} mm, so that {WINDOWS} windows span a volume"
        notes.append(Note(text, "--spacing"))
    return spacing


def _rounded(mm: float) -> float:
    """To three digits.

    Example:
        >>> _rounded(0.78123), _rounded(1.0)
        (0.781, 1.0)
    """
    return round(mm, 2 - floor(log10(mm)))


def _size(
    found: Survey, spacing: tuple[float, ...], patch: int, given: int | Sequence[int] | None, notes: list[Note]
) -> tuple[int, ...]:
    if given is not None:
        sides = (given,) * found.dims if isinstance(given, int) else tuple(given)
        low = 2 * patch
        if len(sides) != found.dims or any(side % patch or side < low for side in sides):
            raise DataError(f"--image_size {given}: {found.dims} multiples of the patch {patch}, of {low} or more")
        if found.dims == 2 and len(set(sides)) > 1:
            raise DataError(f"--image_size {given}: photographs are padded to a square; give one number")
        return tuple(int(side) for side in sides)
    if found.dims == 3:
        most = WINDOW * patch // 8 if patch > 8 else WINDOW
        voxels = [extent / mm for extent, mm in zip(found.extent, spacing, strict=True)]
        return tuple(min(most, max(2 * patch, patch * ceil(length / patch - 0.02))) for length in voxels)
    longest = max(found.size)
    if found.listing.task == "classification":
        least, most = (count * patch for count in PATCHES)
    else:
        least, most = 4 * patch, PICTURE
    side = min(most, max(least, patch * ceil(longest / patch)))
    return (side, side)


def _window(found: Survey) -> tuple[float, float] | None:
    """What becomes 0 and 1: white and black of 8 bits; a window on tissue; the sample's range of 16-bit gray."""
    if found.dims == 2 and found.bits == 8:
        return 0.0, 255.0
    low, high = found.window
    if found.dims == 2:
        return round(low, 1), round(high, 1)
    if found.hounsfield:
        return 10.0 * floor(low / 10), 10.0 * ceil(high / 10)
    return None


def _seen(found: Survey, size: tuple[int, ...], window: tuple[float, float] | None) -> list[Note]:
    """What of the images the network does not see as it is."""
    notes = []
    if found.dims == 2:
        if max(found.size) > size[0]:
            notes.append(
                Note(f"photographs are shrunk to {size[0]} pixels, so that a laptop can train", "--image_size")
            )
        notes.append(
            Note("training flips from left to right and turns by at most 11 degrees", "--rotation of the training")
        )
    if window not in (None, (0, 255)):
        low, high = window or (0, 0)
        units = "Hounsfield units" if found.hounsfield else "intensities"
        place = "a_min and a_max in train.json and inference.json"
        notes.append(Note(f"{units} from {low:g} to {high:g} become 0 to 1, the range of a sample", place))
    return notes


def _cache_rate(found: Survey, size: tuple[int, ...], spacing: tuple[float, ...], cases: int) -> float:
    if found.dims == 2 or found.listing.task == "classification":
        pixels: float = prod(size)
    else:
        pixels = prod(extent / mm for extent, mm in zip(found.extent, spacing, strict=True))
    channels = (3 if found.dims == 2 else found.channels) + (found.masks is not None)
    return round(min(1.0, MEMORY / (cases * pixels * channels * 4)), 2)
