"""MedFMC: images with several labels at once, and the official lists that draw few shots from them.

Wang et al., Scientific Data 10 (2023) 574. The layout is that of the challenge's repository, openmedlab/MedFM::

    chest/images/5C2EB54413D4CEC.png, ...      also endo/ and colon/
    chest/trainval.txt                         one image a line, then 0 or 1 for each label
    chest/test_WithLabel.txt
    chest/chest_5-shot_train_exp1.txt          k of 1, 5, 10; five draws, exp1 to exp5
    chest/chest_5-shot_val_exp1.txt

A shot is a patient: all images of one that show the label. File names of endo tell the study of a patient, those of
colon the region of a slide, which MedFMC counts; those of chest tell nothing, each image counts. The lists are taken as
they are, but for two of their habits: an image that was drawn for several labels stands several times in a training
list and is one case here, and the validation lists of chest and endo name images that train, which are left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dvpt_monai.data import splits, subsets
from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.files import check_files
from dvpt_monai.errors import DataError

logger = logging.getLogger(__name__)

MEDFMC_LABELS: dict[str, tuple[str, ...]] = {
    "chest": (
        "pleural_effusion",
        "nodule",
        "pneumonia",
        "cardiomegaly",
        "hilar_enlargement",
        "fracture_old",
        "fibrosis",
        "aortic_calcification",
        "tortuous_aorta",
        "thickened_pleura",
        "TB",
        "pneumothorax",
        "emphysema",
        "atelectasis",
        "calcification",
        "pulmonary_edema",
        "increased_lung_markings",
        "elevated_diaphragm",
        "consolidation",
    ),
    "endo": ("ulcer", "erosion", "polyp", "tumor"),
    "colon": ("tumor",),
}
"""The labels of each set, in the order of their columns."""

_PATIENT = {"endo": re.compile(r"(.+)_\d+"), "colon": re.compile(r"(.+)p\d+")}
"""What a file's name, without its suffix, tells of the patient."""
_LINE = re.compile(r"(?P<image>.*\.\w+)\s+(?P<labels>\S.*)")
"""The names of colon hold spaces; a label holds no dot."""


def medfmc_labels(subset: str, labels: Sequence[str] | None = None) -> list[str]:
    """The names of the labels of one set of MedFMC, or one's own.

    Raises:
        DataError: the set is none of MedFMC's and no names are given.

    Example:
        >>> medfmc_labels("endo")
        ['ulcer', 'erosion', 'polyp', 'tumor']
    """
    if labels is None and subset not in MEDFMC_LABELS:
        raise DataError(f"subset={subset!r} is none of {list(MEDFMC_LABELS)}; name the labels of your own with labels=")
    names = list(MEDFMC_LABELS[subset] if labels is None else labels)
    if not names or len(set(names)) < len(names):
        raise DataError(f"labels={names}: give every column of the lists one name, each another")
    return names


def read_medfmc(
    dataset_dir: PathLike,
    part: str = "trainval",
    subset: str = "chest",
    labels: Sequence[str] | None = None,
    lists_dir: PathLike | None = None,
) -> list[Case]:
    r"""Read images with several labels from one list of MedFMC.

    Args:
        dataset_dir: folder with the folders ``chest``, ``endo``, ``colon``, each with its ``images``.
        part: name of the list without its suffix, such as ``"trainval"`` or ``"chest_1-shot_train_exp1"``.
        subset: ``"chest"``, ``"endo"``, ``"colon"``, or a folder of one's own with `labels`.
        labels: names of the columns, where they are not MedFMC's.
        lists_dir: where the lists lie, if not beside the images; it has the same folders.

    Returns:
        One ``{"image": path, "label": [0, 1, ...], "name": path below dataset_dir}`` for each image, in the list's
        order, with ``"group"`` where the name tells the patient. An image that a list repeats is one case.

    Raises:
        DataError: on a missing list or image, a line without labels, with another number of them or with other values
            than 0 and 1, or an image listed again with other labels. Names the file, the line and the remedy.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     Path(home, "endo", "images").mkdir(parents=True)
        ...     _ = Path(home, "endo", "images", "13333_2021.12_0007_57297497.png").write_bytes(b"")
        ...     _ = Path(home, "endo", "trainval.txt").write_text("13333_2021.12_0007_57297497.png 1 0 0 1\n")
        ...     [case] = read_medfmc(home, subset="endo")
        >>> case["label"], case["group"]
        ([1, 0, 0, 1], '13333_2021.12_0007')
    """
    names = medfmc_labels(subset, labels)
    path = _list(dataset_dir if lists_dir is None else lists_dir, subset, part)
    if not path.is_file():
        known = sorted(each.stem for each in path.parent.glob("*.txt"))
        raise DataError(f"{path}: no such list; {path.parent} holds {known}. Name another, or set lists_dir=")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 ({error}); fetch the list again") from error

    labelled: dict[str, list[int]] = {}
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise DataError(f"{where}: {line.strip()!r} is no image with labels; choose a list with some")
        name, label = found["image"], _binary(found["labels"], names, where)
        if labelled.setdefault(name, label) != label:
            raise DataError(f"{where}: {name} has other labels than on line {first_line[name]}; correct one of them")
        first_line.setdefault(name, number)
    if not labelled:
        raise DataError(f"{path}: no images in this list; fetch it again")
    folder = Path(dataset_dir) / subset / "images"
    cases = [
        {"image": str(folder / name), "label": label, "name": f"{subset}/images/{name}", **_patient(name, subset)}
        for name, label in labelled.items()
    ]
    check_files(cases, ("image",), f"{path}: put the images of MedFMC into {folder}, or set dataset_dir=")
    return cases


@dataclass(frozen=True)
class FewShot:
    """Few cases to train on, others to validate on, and where they come from.

    Args:
        train: the training cases.
        validation: the validation cases; none of their images trains.
        summary: which lists they come from, what was left out, and which labels have no positive image.
    """

    train: list[Case]
    validation: list[Case]
    summary: str


def medfmc_shots(
    dataset_dir: PathLike,
    shots: int | None = 1,
    experiment: int = 1,
    subset: str = "chest",
    labels: Sequence[str] | None = None,
    lists_dir: PathLike | None = None,
    label_fraction: float = 1.0,
    new_patients: bool = False,
    fold: int = 0,
    folds: int = 5,
) -> FewShot:
    """Take k shots of MedFMC: by the official lists where there are some of that k, else drawn from ``trainval``.

    A draw is by patient, and depends on `experiment` alone; then, and where `shots` is None, one fold of ``trainval``
    validates. What was taken is logged.

    Args:
        dataset_dir: as in :func:`read_medfmc`.
        shots: patients with each label; MedFMC has lists of 1, 5 and 10. None takes all of the training folds.
        experiment: which of the five official draws, or the seed of one of our own.
        subset: as in :func:`read_medfmc`.
        labels: as in :func:`read_medfmc`.
        lists_dir: as in :func:`read_medfmc`.
        label_fraction: share of the training cases (patients) to keep, above 0 and up to 1.
        new_patients: leave out of an official validation list the other images of patients that train, too.
        fold: which fold of ``trainval`` validates, where no official list does.
        folds: number of folds, 2 or more.

    Raises:
        DataError: as :func:`read_medfmc`, :func:`split` and :func:`shots`; and if the lists of that k lack this
            experiment, or no image with a label is left to train or to validate on.

    Example:
        >>> import tempfile
        >>> from dvpt_monai.phantoms import write_medfmc
        >>> with tempfile.TemporaryDirectory() as home:
        ...     home = write_medfmc(home, "endo", num_train=40, num_test=1, size=32)
        ...     print(medfmc_shots(home, subset="endo").summary)
        endo: ... official lists endo_1-shot_train_exp1.txt and endo_1-shot_val_exp1.txt; ...
    """
    names = medfmc_labels(subset, labels)
    where = dataset_dir if lists_dir is None else lists_dir
    train_list, val_list = (f"{subset}_{shots}-shot_{part}_exp{experiment}" for part in ("train", "val"))
    found = (Path(where) / subset).glob(f"{subset}_{shots}-shot_train_exp*.txt")
    siblings = sorted(path.stem for path in found)
    if siblings and train_list not in siblings:
        raise DataError(f"experiment={experiment}: no list {train_list}; of {shots} shots there are {siblings}")
    if siblings:
        train = read_medfmc(dataset_dir, train_list, subset, names, lists_dir)
        listed = read_medfmc(dataset_dir, val_list, subset, names, lists_dir)
        validation, left_out = _without(listed, train, new_patients)
        origin = [f"official lists {train_list}.txt and {val_list}.txt", left_out]
    else:
        if folds < 2:
            raise DataError(f"folds={folds}: what validates would train, too; choose 2 or more")
        cases = read_medfmc(dataset_dir, "trainval", subset, names, lists_dir)
        pool, validation = (splits.split(cases, part, fold, folds) for part in ("training", "validation"))
        train = subsets.shots(pool, shots, experiment)
        drawn = f"no official list of {shots} shots, so drawn by patient with seed {experiment}"
        origin = [f"{'all' if shots is None else drawn} from trainval.txt, fold {fold} of {folds} validates"]
    train = subsets.label_fraction(train, label_fraction, experiment)
    counts = f"{len(train)} images to train on, {len(validation)} to validate on"
    notes = [f"{subset}: {counts}", *origin]
    for verb, part in (("train", train), ("validate", validation)):
        absent = [name for place, name in enumerate(names) if not any(case["label"][place] for case in part)]
        if len(absent) == len(names):
            raise DataError(f"{notes[0]} ({origin[0]}): none to {verb} on has a label; change shots or fold")
        notes += [f"no positive image to {verb} on: {', '.join(absent)}"] if absent else []
    few = FewShot(train, validation, "; ".join(each for each in notes if each))
    logger.info("%s", few.summary)
    return few


def _without(listed: list[Case], train: list[Case], new_patients: bool) -> tuple[list[Case], str]:
    """A validation list without what trains, and what was left out of it."""
    images, patients = {case["image"] for case in train}, {case["group"] for case in train if "group" in case}
    new = [case for case in listed if case["image"] not in images]
    note = f"{len(listed) - len(new)} images of the latter train and are left out"
    known = [case for case in new if case.get("group") in patients]
    if new_patients:
        new = [case for case in new if case.get("group") not in patients]
        return new, f"{note}, with {len(known)} more of their patients"
    return new, note + (f", {len(known)} more are of patients that train" if known else "")


def _list(lists_dir: PathLike, subset: str, part: str) -> Path:
    return Path(lists_dir) / subset / f"{part}.txt"


def _patient(name: str, subset: str) -> dict[str, str]:
    """The group of an image, where its name tells the patient; a name of another form is a patient of its own."""
    if subset not in _PATIENT:
        return {}
    stem = Path(name).stem
    found = _PATIENT[subset].fullmatch(stem)
    return {"group": found[1] if found else stem}


def _binary(text: str, names: list[str], where: str) -> list[int]:
    values = re.split(r"[,\s]+", text)
    if len(values) != len(names):
        raise DataError(f"{where}: {len(values)} labels, but {len(names)} names; set subset=, or name them: labels=")
    wrong = [value for value in values if value not in ("0", "1")]
    if wrong:
        raise DataError(f"{where}: {wrong[0]!r} is neither 0 nor 1; correct the line")
    return [int(value) for value in values]
