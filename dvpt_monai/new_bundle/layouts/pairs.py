"""Images and masks of equal names: in two folders, or side by side with a suffix."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.files import folders_in, images_below, stem_of
from dvpt_monai.new_bundle.layouts.decathlon import names_of
from dvpt_monai.new_bundle.listing import Case, Listing, Lost, part_of

__all__ = ["find"]

IMAGES = ("images", "image", "imgs", "img", "imagesTr", "scans", "volumes")
MASKS = ("masks", "mask", "labels", "label", "labelsTr", "segmentations", "segmentation", "annotations", "gt")
TAILS = ("_mask", "_seg", "_segmentation", "_label", "_labels", "_gt", "-mask", "-seg", "-label")
"""What the names of masks end in."""


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of folders of images and masks, or of masks beside their images; ``None`` if there are none.

    Images without a mask, and masks without an image, go into ``lost``, if that is given.

    Raises:
        DataError: an image has no mask or two, or a mask no image.
    """
    names = {}
    if (folder / "dataset.json").is_file():  # of nnU-Net, which lists no cases but names the labels
        names = names_of(json.loads((folder / "dataset.json").read_text(encoding="utf-8-sig")))
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    cases = [case for part in parts for case in _two_folders(part, part_of(part.name), lost)]
    cases = cases or _two_folders(folder, "", lost)
    if cases:
        masks = cases[0].label
        return Listing(f"pairs of images and masks ({_below(folder, masks)})", folder, tuple(cases), names)
    cases = _side_by_side(folder, lost)
    return Listing("masks beside their images", folder, tuple(cases), names) if cases else None


def _below(folder: Path, path: str | Path) -> str:
    return Path(path).relative_to(folder).parent.as_posix()


def _two_folders(folder: Path, part: str, lost: list[Lost] | None) -> list[Case]:
    inside = {path.name.lower(): path for path in folders_in(folder)}
    images = [inside[name.lower()] for name in IMAGES if name.lower() in inside]
    masks = [inside[name.lower()] for name in MASKS if name.lower() in inside]
    if not images or not masks or not images_below(images[0]) or not images_below(masks[0]):
        return []
    for kind, found in (("images", images), ("masks", masks)):
        if len(found) > 1:
            raise DataError(f"{folder}: both {found[0].name} and {found[1].name} could hold the {kind}; rename one")
    pictures = _by_key(images_below(images[0]), images[0])
    answers: dict[str, list[Path]] = defaultdict(list)
    for path in images_below(masks[0]):
        answers[_key(path, masks[0])].append(path)
    return _matched(_without_channel(pictures, answers, images[0]), answers, part, masks[0], lost)


def _by_key(paths: list[Path], root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(_key(path, root), path)
        if other != path:
            raise DataError(f"{other} and {path} have one name, so their masks cannot be told apart; rename one")
    return found


def _key(path: Path, root: Path) -> str:
    """The path below a folder without suffixes, and without what only masks' names end in."""
    name = stem_of(path)
    tail = next((tail for tail in TAILS if name.lower().endswith(tail)), "")
    return (path.parent.relative_to(root) / (name[: -len(tail)] if tail else name)).as_posix()


def _without_channel(pictures: dict[str, Path], answers: dict[str, list[Path]], folder: Path) -> dict[str, Path]:
    """nnU-Net's images carry the number of their channel, ``case_0000``, and its masks do not."""
    if set(pictures) & set(answers) or not all(key[-5:-4] == "_" and key[-4:].isdigit() for key in pictures):
        return pictures
    several = [key for key in pictures if not key.endswith("_0000")]
    if several:
        raise DataError(
            f"{pictures[several[0]]}: channels in files of their own are not read; stack them along a fourth axis, "
            f"one file per case in {folder}"
        )
    return {key[:-5]: path for key, path in pictures.items()}


def _side_by_side(folder: Path, lost: list[Lost] | None) -> list[Case]:
    found = images_below(folder)
    stems = {path: stem_of(path) for path in found}
    masks = [path for path in found if any(stems[path].lower().endswith(tail) for tail in TAILS)]
    if not masks or len(masks) == len(found):
        return []
    answers: dict[str, list[Path]] = defaultdict(list)
    for path in masks:
        answers[_key(path, folder)].append(path)
    pictures = _by_key([path for path in found if path not in set(masks)], folder)
    twice = [key for key in answers if key not in pictures]
    extra = [key for key in pictures if key not in answers]
    if twice and extra and len(masks) < len(pictures) / 2:
        return []  # a few files happen to end so
    return _matched(pictures, answers, "", folder, lost)


def _matched(
    pictures: dict[str, Path], answers: dict[str, list[Path]], part: str, masks: Path, lost: list[Lost] | None
) -> list[Case]:
    if lost is not None and set(pictures) & set(answers):
        lost += [Lost(path, "no mask has its name") for key, path in pictures.items() if key not in answers]
        lost += [Lost(paths[0], "no image has its name") for key, paths in answers.items() if key not in pictures]
        lost += [Lost(paths[1], f"beside {paths[0].name} a second mask") for paths in answers.values() if paths[1:]]
        answers = {key: paths for key, paths in answers.items() if key in pictures and not paths[1:]}
        pictures = {key: path for key, path in pictures.items() if key in answers}
    for key, paths in answers.items():
        if len(paths) > 1:
            raise DataError(
                f"{paths[0]} and {paths[1]} are both masks of {key}; merge them into one file with a value for each "
                "structure, or keep one"
            )
    missing = [path for key, path in pictures.items() if key not in answers]
    if missing:
        raise DataError(
            f"{missing[0]}: no mask of that name in {masks} ({len(missing)} of {len(pictures)} images have none); add "
            "them, all zero where there is nothing to segment, or move these images away"
        )
    surplus = [paths[0] for key, paths in answers.items() if key not in pictures]
    if surplus:
        raise DataError(
            f"{surplus[0]}: a mask without an image ({len(surplus)} of {len(answers)}); add the image or move it away"
        )
    first = [part or part_of(key.split("/")[0]) for key in pictures]
    # images/train/a.png is of a part; where only some folders are named so, they are no parts
    parts = first if all(first) else [part] * len(first)
    return [Case(path, answers[key][0], part) for (key, path), part in zip(pictures.items(), parts, strict=True)]
