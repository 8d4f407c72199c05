"""Lists of cases: read, checked, split, weighted.

A case is a dictionary as MONAI's transforms take it: ``image``, a path, and ``label``, a grade or the path of a mask.
Where a case has a ``group`` (a patient, say), its group is never divided between two parts.
Which part a case falls into depends on the seed and the case's own name only, not on the order of the list, the
machine or a library's random generator; a seed means the same split everywhere and for ever.
"""

from __future__ import annotations

import json
import logging
import os
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from csv import DictReader
from csv import Error as CsvError
from hashlib import sha256
from itertools import accumulate
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import WeightedRandomSampler

from dvpt_monai.data.errors import DataError
from dvpt_monai.data.findings import read_findings
from dvpt_monai.data.grades import read_grade

logger = logging.getLogger(__name__)
Case = dict[str, Any]
PathLike = str | os.PathLike[str]


def read_csv(
    csv: PathLike,
    image: str = "image",
    label: str = "dr_grade",
    num_classes: int | None = None,
    split: str | None = None,
    split_column: str = "split",
    root: PathLike | None = None,
    group: str | None = None,
) -> list[Case]:
    r"""Read graded images from a table with one row per image.

    Args:
        csv: a comma-separated file, UTF-8, with a header.
        image: column of the image's path, relative to `root`.
        label: column of the grade, an integer from 0.
        num_classes: number of grades; None checks only that no grade is negative.
        split: keep the rows whose `split_column` says this, such as ``"train"``; None keeps all.
        split_column: column that `split` reads.
        root: folder of the images; by default the folder of the table.
        group: column of what must stay together when cases are split, such as the patient; None if there is none.

    Returns:
        One ``{"image": path, "label": grade}`` per row, in the table's order, with ``"group"`` if asked for.

    Raises:
        DataError: on a missing file, column or image, an image listed twice, a grade that is no integer or out of
            range, or when no row is left. Names the file, the line and the remedy.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     _ = Path(home, "a.jpg").write_bytes(b"")
        ...     _ = Path(home, "eyes.csv").write_text("file,grade\na.jpg,3\n")
        ...     cases = read_csv(Path(home, "eyes.csv"), image="file", label="grade", num_classes=5)
        >>> [(Path(case["image"]).name, case["label"]) for case in cases]
        [('a.jpg', 3)]
    """
    path = Path(csv)
    if not path.is_file():
        raise DataError(f"{path}: no such file; pass the table of images and grades")
    folder = path.parent if root is None else Path(root)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
            columns = list(reader.fieldnames or [])
    except (UnicodeDecodeError, CsvError) as error:
        raise DataError(f"{path}: not a table in UTF-8 text ({error}); save it as CSV") from error
    wanted = {"image": image, "label": label}
    wanted |= {} if split is None else {"split_column": split_column}
    wanted |= {} if group is None else {"group": group}
    for argument, column in wanted.items():
        if column not in columns:
            raise DataError(f"{path}: no column {column!r} among {columns}; name yours with {argument}=")
    if split is not None:
        found = sorted({row[split_column] or "" for _, row in rows})
        rows = [(line, row) for line, row in rows if row[split_column] == split]
        if not rows and found:
            raise DataError(f"{path}: no row has {split_column}={split!r}; the column holds {found}")
    if not rows:
        raise DataError(f"{path}: no cases; the table needs a header and at least one row")

    cases: list[Case] = []
    first_line: dict[str, int] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        if not row[image]:
            raise DataError(f"{where}: column {image!r} is empty; name the image or delete the row")
        case: Case = {"image": str(folder / row[image]), "label": _grade(row[label], num_classes, f"{where}, {label}")}
        if case["image"] in first_line:
            raise DataError(
                f"{where}: {row[image]} is on line {first_line[case['image']]} already; keep one row per image"
            )
        first_line[case["image"]] = line
        if group is not None:
            case["group"] = row[group]
        cases.append(case)
    _check_files(cases, ("image",), f"{path}: set root= to the folder of the images")
    return cases


def read_decathlon(
    dataset_json: PathLike,
    section: str = "training",
    num_classes: int | None = None,
    root: PathLike | None = None,
) -> list[Case]:
    """Read images and masks from a ``dataset.json`` of the Medical Segmentation Decathlon.

    Args:
        dataset_json: the file.
        section: ``"training"`` or ``"test"``, or another list in the file.
        num_classes: number of labels with the background; None skips the comparison with the file's own table of
            labels. The masks themselves are checked when they are loaded, by `CheckLabeld`.
        root: folder that the paths are relative to; by default that of the file.

    Returns:
        One ``{"image": path, "label": path}`` per case, in the file's order; no label where the section has none. An
        entry may have a ``"group"`` of what must stay together, such as the patient.

    Raises:
        DataError: on a missing or broken file, a missing section, image or mask, an image listed twice, another number
            of labels, or an empty section.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("image.nii.gz", "mask.nii.gz"):
        ...         _ = Path(home, name).write_bytes(b"")
        ...     table = {"training": [{"image": "./image.nii.gz", "label": "./mask.nii.gz"}]}
        ...     _ = Path(home, "dataset.json").write_text(json.dumps(table))
        ...     [case] = read_decathlon(Path(home, "dataset.json"))
        >>> sorted(Path(path).name for path in case.values())
        ['image.nii.gz', 'mask.nii.gz']
    """
    path = Path(dataset_json)
    if not path.is_file():
        raise DataError(f"{path}: no such file; pass the dataset.json of a folder in the Decathlon's layout")
    try:
        table = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); repair or fetch it again") from error
    if not isinstance(table, dict) or not isinstance(table.get(section), list):
        lists = (
            sorted(key for key, value in table.items() if isinstance(value, list)) if isinstance(table, dict) else []
        )
        raise DataError(f"{path}: no list {section!r}; it has {lists}: choose one with section=")
    if not table[section]:
        raise DataError(f"{path}: section {section!r} holds no cases; choose another with section=")
    names = table.get("labels")
    if num_classes is not None and isinstance(names, dict) and len(names) != num_classes:
        raise DataError(
            f"{path}: it names {len(names)} labels, not num_classes={num_classes}; set that to {len(names)}"
        )

    folder = path.parent if root is None else Path(root)
    cases: list[Case] = []
    for number, entry in enumerate(table[section]):
        entry = {"image": entry} if isinstance(entry, str) else entry
        paths = {key: entry.get(key) for key in ("image", "label")} if isinstance(entry, dict) else {}
        if not isinstance(paths.get("image"), str) or not isinstance(paths.get("label"), str | None):
            raise DataError(
                f"{path}: {section}[{number}] names no image; write {{'image': ..., 'label': ...}} with paths"
            )
        if section == "training" and paths["label"] is None:
            raise DataError(f"{path}: {section}[{number}], {paths['image']}, has no label; add it or delete the entry")
        case: Case = {key: str(folder / value) for key, value in paths.items() if value is not None}
        cases.append({**case, "group": str(entry["group"])} if "group" in entry else case)
    twice = [image for image, count in Counter(case["image"] for case in cases).items() if count > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]} is listed twice; keep one entry per image")
    _check_files(cases, ("image", "label"), f"{path}: unpack the data set in {folder} again")
    return cases


def split(
    cases: list[Case], part: str, fold: int = 0, folds: int = 5, seed: int = 0, stratify: bool = True
) -> list[Case]:
    """Take the training or the validation part of one fold of a cross-validation.

    Args:
        cases: the cases, in any order.
        part: ``"training"`` or ``"validation"``; together they are all cases.
        fold: which fold validates, 0 to `folds` - 1.
        folds: number of folds; over all of them each case validates once. 1 holds nothing out, for a last training
            whose settings are chosen: both parts are then all cases, and the validation is no longer independent.
        seed: another seed, other folds.
        stratify: give each fold its share of every grade, where labels are integers.

    Raises:
        DataError: on an unknown part, a fold out of range, or fewer cases (groups) than folds.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 2} for i in range(20)]
        >>> sorted(case["label"] for case in split(cases, "validation", fold=3))
        [0, 0, 1, 1]
        >>> len(split(cases, "training", fold=3))
        16
    """
    _check_part(part, ("training", "validation"))
    units = _units(cases, seed)
    if not 1 <= folds <= len(units):
        raise DataError(f"folds={folds} for {len(units)} cases or groups: choose 1 to {len(units)}")
    if not 0 <= fold < folds:
        raise DataError(f"fold={fold} is out of range: choose 0 to {folds - 1} for folds={folds}")
    if stratify:
        units = [unit for stratum in _strata(units).values() for unit in stratum]
    if folds == 1:
        return _flat(units)
    return _flat([unit for place, unit in enumerate(units) if (place % folds == fold) == (part == "validation")])


def holdout(cases: list[Case], part: str, size: int = 40, seed: int = 0) -> list[Case]:
    """Set a test set aside, for data that has no official one.

    Args:
        cases: the cases, in any order.
        part: ``"development"`` or ``"test"``; together they are all cases.
        size: number of test cases, with the share of every grade where labels are integers; it is exceeded only
            rather than dividing a group.
        seed: another seed, another test set.

    Raises:
        DataError: on an unknown part or a size that leaves one part empty.

    Example:
        >>> cases = [{"image": f"{i}.nii.gz", "label": f"{i}_mask.nii.gz"} for i in range(50)]
        >>> len(holdout(cases, "test")), len(holdout(cases, "development"))
        (40, 10)
    """
    _check_part(part, ("development", "test"))
    if not 1 <= size < len(cases):
        raise DataError(f"size={size} of {len(cases)} cases: both parts need one; choose 1 to {len(cases) - 1}")
    ranked = []  # any beginning of this order holds each grade in its share
    for stratum in _strata(_units(cases, seed)).values():
        ranked += [((rank + 0.5) / len(stratum), unit) for rank, unit in enumerate(stratum)]
    units = [unit for _, unit in sorted(ranked, key=lambda item: item[0])]
    count = 1 + bisect_left(list(accumulate(map(len, units))), size)  # the first units that hold as many cases
    if count == len(units):
        raise DataError(f"size={size} leaves no group for development; choose a smaller size")
    return _flat(units[:count] if part == "test" else units[count:])


def label_fraction(cases: list[Case], fraction: float, seed: int = 0) -> list[Case]:
    """Keep a share of the labelled cases, to ask how many labels a method needs.

    Every grade keeps its share, and at least one case; a smaller fraction is part of a larger one of the same seed.

    Args:
        cases: the cases, in any order.
        fraction: share of the cases (groups), above 0 and up to 1.
        seed: another seed, another choice.

    Raises:
        DataError: if the fraction is out of range or there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 7)} for i in range(100)]
        >>> sorted(case["label"] for case in label_fraction(cases, 0.05))
        [0, 0, 0, 0, 0, 1]
    """
    if not 0 < fraction <= 1:
        raise DataError(f"label_fraction={fraction} is out of range: above 0 and up to 1")
    units = _units(cases, seed)
    first = {case["label"]: unit for unit in reversed(units) for case in unit if _is_grade(case)}
    kept = {id(unit) for unit in first.values()}
    for stratum in _strata(units).values():
        kept |= {id(unit) for unit in stratum[: max(1, round(fraction * len(stratum)))]}
    return _flat([unit for unit in units if id(unit) in kept])


def count_parts(training: list[Case], validation: list[Case]) -> tuple[int, int]:
    """Count the cases to train on, and those to choose the best epoch with; there has to be one of each.

    Raises:
        DataError: a part is empty. MONAI skips an empty validation, and so never saves what was trained.

    Example:
        >>> count_parts([{"image": "a.jpg", "label": 0}], [])
        Traceback (most recent call last):
        dvpt_monai.data.errors.DataError: no labelled case to validate on, of 1 in all; ...
    """
    for part, purpose in ((training, "train"), (validation, "validate")):
        if not part:
            raise DataError(
                f"no labelled case to {purpose} on, of {len(training) + len(validation)} in all; label more of them "
                "(MONAI Label's val_split of 0.2 needs 3)"
            )
    return len(training), len(validation)


def shots(cases: list[Case], count: int | None, seed: int = 0) -> list[Case]:
    """Keep a few cases of each class, for few-shot training.

    Groups count as one: with patients known, these are `count` patients of each class, with all their images. Cases
    with several labels (a list of 0 and 1, one for each) are kept while any of their labels is short of cases; those
    without any label are a class of their own. A class with fewer cases keeps all, and a warning names it. Fewer shots
    are part of more of the same seed where every case has one label.

    Args:
        cases: the cases, in any order.
        count: cases or groups of each class, 1 or more; None keeps all.
        seed: another seed, another choice.

    Raises:
        DataError: if `count` is out of range or there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 3} for i in range(30)]
        >>> sorted(case["label"] for case in shots(cases, 2))
        [0, 0, 1, 1, 2, 2]
    """
    if count is None:
        return list(cases)
    if count < 1:
        raise DataError(f"shots={count} is out of range: 1 or more of each class, or None for all")
    units = _units(cases, seed)
    classes = [{label for case in unit for label in _classes(case)} for unit in units]
    held: Counter[int] = Counter()
    kept = []
    for unit, found in zip(units, classes, strict=True):
        if any(held[label] < count for label in found):
            kept.append(unit)
            held.update(found)
    short = {label: held[label] for label in sorted(set().union(*classes)) if held[label] < count}
    for label, number in short.items():
        name = "no label" if label < 0 else f"label {label}"
        logger.warning("shots=%d, but only %d cases or groups have %s; all of them are kept", count, number, name)
    return _flat(kept)


def class_weights(cases: list[Case], num_classes: int, power: float = 1.0) -> Tensor:
    """Weigh rare grades more in a loss: inverse frequency to the `power`, with mean 1.

    Args:
        cases: the training cases.
        num_classes: number of grades.
        power: 1 gives each grade the same total weight, 0.5 is gentler, 0 is off.

    Returns:
        Weights of **Shape** (num_classes,), float32.

    Raises:
        DataError: on a label out of range, or a grade without a case: no weight would make it learnable.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 0)} for i in range(4)]
        >>> class_weights(cases, 2)
        tensor([0.5000, 1.5000])
    """
    counts = _counts(cases, num_classes)
    absent = [grade for grade, count in enumerate(counts) if count == 0]
    if absent and power != 0:
        raise DataError(
            f"num_classes={num_classes}, but no case has a label of {absent}, so no weight is right for it; "
            "lower num_classes, add such cases, or switch the class weights off"
        )
    weights = torch.tensor([max(count, 1) for count in counts], dtype=torch.float64) ** -power
    return (weights / weights.mean()).float()


def positive_weights(cases: list[Case], labels: Sequence[str], power: float = 1.0) -> Tensor:
    """Weigh the positive cases of rare labels more in a binary cross-entropy: (negative / positive) to the `power`.

    Args:
        cases: the training cases; each label is a list of 0 and 1, or a file with names (:func:`read_findings`).
        labels: the names of all labels.
        power: 1 gives both answers the same total weight, 0.5 is gentler, 0 is off.

    Returns:
        One weight for each label, **Shape** (C,), float32, for ``BCEWithLogitsLoss(pos_weight=...)``; 1 for labels that
        no case has, or every case.

    Raises:
        DataError: if there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.png", "label": [int(i == 0), 0]} for i in range(4)]
        >>> positive_weights(cases, ["nodule", "fibrosis"])
        tensor([3., 1.])
    """
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    truth = torch.tensor([read_findings(case["label"], labels) for case in cases], dtype=torch.float64)
    positive, negative = truth.sum(dim=0), (1 - truth).sum(dim=0)
    both = (positive > 0) & (negative > 0)
    return torch.where(both, negative / positive.clamp(min=1), 1.0).pow(power).float()


def balanced_sampler(cases: list[Case], num_classes: int, seed: int = 0, power: float = 1.0) -> WeightedRandomSampler:
    """Draw rare grades more often: a sampler for the data loader, instead of shuffling.

    One epoch draws as many cases as there are, with replacement. A grade without a case is simply never drawn.

    Args:
        cases: the training cases, in the order of the data set.
        num_classes: number of grades.
        seed: of the sampler's own generator.
        power: 1 draws each grade equally often, 0 each case.

    Raises:
        DataError: on a label out of range or an empty list.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 0)} for i in range(1000)]
        >>> drawn = [cases[index]["label"] for index in balanced_sampler(cases, 2)]
        >>> 400 < sum(drawn) < 600
        True
    """
    counts = _counts(cases, num_classes)
    weights = [float(counts[read_grade(case["label"])]) ** -power for case in cases]
    return WeightedRandomSampler(weights, len(cases), replacement=True, generator=torch.Generator().manual_seed(seed))


def _grade(text: str | None, num_classes: int | None, where: str) -> int:
    try:
        grade = int(text or "")
    except ValueError:
        raise DataError(f"{where}: {text!r} is not an integer; write 0, 1, 2, ...") from None
    if grade < 0 or (num_classes is not None and grade >= num_classes):
        upper = "" if num_classes is None else f"{num_classes - 1}"
        raise DataError(f"{where}: {grade} is out of range 0..{upper}; correct it or set num_classes")
    return grade


def _check_files(cases: list[Case], keys: tuple[str, ...], remedy: str) -> None:
    paths = [case[key] for case in cases for key in keys if key in case]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise DataError(f"{remedy}: {len(missing)} of {len(paths)} files do not exist, the first is {missing[0]}")


def _check_part(part: str, parts: tuple[str, str]) -> None:
    if part not in parts:
        raise DataError(f"part={part!r} is unknown: choose {parts[0]!r} or {parts[1]!r}")


def _is_grade(case: Case) -> bool:
    return isinstance(case.get("label"), Integral)  # of Python or NumPy


def _classes(case: Case) -> set[int]:
    """The labels that a case has: its grade, or the places of the ones; -1 is none."""
    label = case.get("label")
    if _is_grade(case):
        return {int(case["label"])}
    found = {place for place, value in enumerate(label) if value == 1} if isinstance(label, list | tuple) else set()
    return found or {-1}


def _counts(cases: list[Case], num_classes: int) -> list[int]:
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    cases = [{**case, "label": read_grade(case.get("label"))} for case in cases]
    for case in cases:
        if not _is_grade(case) or not 0 <= case["label"] < num_classes:
            label, top = case.get("label"), num_classes - 1
            raise DataError(
                f"{case.get('image')}: label {label!r} is no integer in 0..{top}; correct it or set num_classes"
            )
    count = Counter(case["label"] for case in cases)
    return [count[grade] for grade in range(num_classes)]


def _units(cases: list[Case], seed: int) -> list[list[Case]]:
    """What may not be divided, a case or a group of them, in the order that the seed gives."""
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    paths = [os.path.abspath(str(case["image"])) for case in cases]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # left out: it differs between machines
    units: dict[str, list[Case]] = defaultdict(list)
    for case, path in zip(cases, paths, strict=True):
        below = path.removeprefix(folder).lstrip(os.sep).replace(os.sep, "/")
        name = f"group {case['group']}" if "group" in case else f"image {below}"
        units[name].append(case)
    order = sorted(units, key=lambda name: sha256(f"{seed} {name}".encode()).digest())
    return [sorted(units[name], key=lambda case: str(case["image"])) for name in order]


def _strata(units: list[list[Case]]) -> dict[int, list[list[Case]]]:
    """The units by their highest grade, in ascending order; all in one stratum where labels are no integers."""
    strata: dict[int, list[list[Case]]] = defaultdict(list)
    for unit in units:
        strata[max((case["label"] for case in unit if _is_grade(case)), default=-1)].append(unit)
    return dict(sorted(strata.items()))


def _flat(units: list[list[Case]]) -> list[Case]:
    return sorted((case for unit in units for case in unit), key=lambda case: str(case["image"]))
