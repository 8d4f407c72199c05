"""Images and masks of equal names: in two folders, or side by side with a suffix."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.layouts.decathlon import content_of
from dvpt_monai.layouts.files import folders_in, images_below, images_in, stem_of
from dvpt_monai.layouts.labels import labels_of
from dvpt_monai.layouts.listing import Case, Listing, Lost, part_of

__all__ = ["find"]


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of folders of images and masks, or of masks beside their images; ``None`` if there are none.

    Images without a mask, and masks without an image, go into ``lost``, if that is given.

    Raises:
        DataError: an image has no mask or two, or a mask no image.
    """
    path = folder / "dataset.json"  # may name the labels where it lists no cases
    fields: dict[str, Any] = {"sources": (path,), **labels_of(content_of(path), path)} if path.is_file() else {}
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    others = [inside for inside in folders_in(folder) if inside not in parts]
    cases = [case for part in parts for case in _two_folders(part, part_of(part.name), lost)]
    cases = cases or _two_folders(folder, "", lost)
    cases = cases or [case for inside in others for case in _two_folders(inside, "", lost)]
    cases = cases or _beside_a_folder_of_masks(folder, lost)
    if cases:
        masks = cases[0].label
        return Listing(f"pairs of images and masks ({_below(folder, masks)})", folder, tuple(cases), **fields)
    cases = _side_by_side(folder, lost)
    return Listing("masks beside their images", folder, tuple(cases), **fields) if cases else None


def _below(folder: Path, path: str | Path) -> str:
    return Path(path).relative_to(folder).parent.as_posix()


def _two_folders(folder: Path, part: str, lost: list[Lost] | None) -> list[Case]:
    images, masks = _called(folder, formats.IMAGE_FOLDERS), _called(folder, formats.MASK_FOLDERS)
    if not images or not masks or not images_below(images[0]) or not images_below(masks[0]):
        return []
    for kind, found in (("images", images), ("masks", masks)):
        if len(found) > 1:
            raise DataError(f"{folder}: both {found[0].name} and {found[1].name} could hold the {kind}; rename one")
    pictures = _by_key(images_below(images[0]), images[0])
    return _matched(pictures, _answers(masks[0]), part, masks[0], lost)


def _beside_a_folder_of_masks(folder: Path, lost: list[Lost] | None) -> list[Case]:
    """Images right in a folder, or in the only other one in it, and masks of most of their names in ``masks``."""
    masks = _called(folder, formats.MASK_FOLDERS)
    rest = [inside for inside in folders_in(folder) if inside not in masks and images_below(inside)]
    loose = images_in(folder)
    if len(masks) != 1 or len(rest) + bool(loose) != 1:
        return []
    pictures = _by_key(loose or images_below(rest[0]), folder if loose else rest[0])
    answers = _answers(masks[0])
    lossy = any(path.suffix.lower() in formats.LOSSY for paths in answers.values() for path in paths)
    if lossy or len(set(pictures) & set(answers)) < len(answers) / 2:
        return []  # a class may be called so
    return _matched(pictures, answers, "", masks[0], lost)


def _called(folder: Path, names: Sequence[str]) -> list[Path]:
    """The folders in a folder that are called so, in the order of the names."""
    found = {path.name.lower(): path for path in folders_in(folder)}
    return [found[name] for name in names if name in found]


def _answers(masks: Path) -> dict[str, list[Path]]:
    answers: dict[str, list[Path]] = defaultdict(list)
    for path in images_below(masks):
        answers[_key(path, masks)].append(path)
    return answers


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


def _side_by_side(folder: Path, lost: list[Lost] | None) -> list[Case]:
    found = images_below(folder)
    numbered = formats.masks_among(found)
    masks = [path for path in found if path in numbered or formats.image_name(stem_of(path)) != stem_of(path)]
    if not masks or len(masks) == len(found):
        return []
    pictures = _by_key([path for path in found if path not in set(masks)], folder)
    names: dict[str, list[str]] = defaultdict(list)
    for key in pictures:
        names[key.rpartition("/")[2]].append(key)
    answers: dict[str, list[Path]] = defaultdict(list)
    for path in masks:
        answers[_owner(path, folder, names)].append(path)
    twice = [key for key in answers if key not in pictures]
    extra = [key for key in pictures if key not in answers]
    if twice and extra and len(masks) < len(pictures) / 2:
        return []  # a few files happen to end so
    return _matched(pictures, answers, "", folder, lost)


def _owner(path: Path, folder: Path, names: Mapping[str, Sequence[str]]) -> str:
    """The key of the image of a mask: in its folder, else the only one of that name; ``x`` has ``x_mask_1``, too."""
    key = _key(path, folder)
    for each in (key, formats.image_name(re.sub(r"[-_. ]?\d+$", "", key))):
        owners = names.get(each.rpartition("/")[2], ())
        if each in owners or len(owners) == 1:
            return each if each in owners else owners[0]
    return key


def _matched(
    pictures: dict[str, Path], answers: dict[str, list[Path]], part: str, masks: Path, lost: list[Lost] | None
) -> list[Case]:
    if pictures and answers and not set(pictures) & set(answers):
        picture, mask = next(iter(pictures.values())), next(iter(answers.values()))[0]
        raise DataError(
            f"{picture} and {mask}: an image and a mask, but none of {len(answers)} masks has the name of an image; "
            "name masks after their images (x.png and x_mask.png), give each case a folder of its own with one image "
            "and one mask, or list the pairs in a table"
        )
    if lost is not None and any(key in pictures and not paths[1:] for key, paths in answers.items()):
        lost += [Lost(path, "no mask has its name") for key, path in pictures.items() if key not in answers]
        lost += [Lost(paths[0], "no image has its name") for key, paths in answers.items() if key not in pictures]
        lost += [
            Lost(paths[1], "a second mask of its image", (pictures[key], paths[0], *paths[2:]))
            for key, paths in answers.items() if paths[1:] and key in pictures
        ]  # fmt: skip
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
