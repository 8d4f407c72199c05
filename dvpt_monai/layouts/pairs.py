"""Images and masks of equal names: in two folders, or side by side with a suffix."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.layouts.decathlon import content_of
from dvpt_monai.layouts.files import folders_in, images_below, stem_of
from dvpt_monai.layouts.labels import labels_of
from dvpt_monai.layouts.listing import Case, Listing, Lost, part_of

__all__ = ["find"]

IMAGES = ("images", "image", "imgs", "img", "imagesTr", "scans", "volumes")
MASKS = ("masks", "mask", "labels", "label", "labelsTr", "segmentations", "segmentation", "annotations", "gt")


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of folders of images and masks, or of masks beside their images; ``None`` if there are none.

    Images without a mask, and masks without an image, go into ``lost``, if that is given.

    Raises:
        DataError: an image has no mask or two, or a mask no image.
    """
    path = folder / "dataset.json"  # may name the labels where it lists no cases
    fields: dict[str, Any] = {"sources": (path,), **labels_of(content_of(path), path)} if path.is_file() else {}
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    cases = [case for part in parts for case in _two_folders(part, part_of(part.name), lost)]
    cases = cases or _two_folders(folder, "", lost)
    if cases:
        masks = cases[0].label
        return Listing(f"pairs of images and masks ({_below(folder, masks)})", folder, tuple(cases), **fields)
    cases = _side_by_side(folder, lost)
    return Listing("masks beside their images", folder, tuple(cases), **fields) if cases else None


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
    return _matched(pictures, answers, part, masks[0], lost)


def _by_key(paths: list[Path], root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(_key(path, root), path)
        if other != path:
            raise DataError(f"{other} and {path} have one name, so their masks cannot be told apart; rename one")
    return found


def _key(path: Path, root: Path) -> str:
    """The path below a folder without suffixes, and without what only masks' names end in."""
    return (path.parent.relative_to(root) / formats.image_name(stem_of(path))).as_posix()


def _is_mask(path: Path) -> bool:
    return formats.image_name(stem_of(path)) != stem_of(path) or formats.format_of(path) in (
        "segmentation",
        "dicom-seg",
    )


def _side_by_side(folder: Path, lost: list[Lost] | None) -> list[Case]:
    found = images_below(folder)
    masks = [path for path in found if _is_mask(path)]
    if not masks or len(masks) == len(found):
        return []
    pictures = _by_key([path for path in found if path not in set(masks)], folder)
    names: dict[str, list[str]] = defaultdict(list)
    for key in pictures:
        names[key.rpartition("/")[2]].append(key)
    answers: dict[str, list[Path]] = defaultdict(list)
    for path in masks:
        key = _key(path, folder)
        elsewhere = names[key.rpartition("/")[2]]  # the only image of that name may lie in another folder
        answers[elsewhere[0] if key not in pictures and len(elsewhere) == 1 else key].append(path)
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
