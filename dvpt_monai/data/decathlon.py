"""Cases of the Medical Segmentation Decathlon's layout."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from dvpt_monai.data.case import Case, PathLike, all_grouped
from dvpt_monai.data.files import check_files
from dvpt_monai.data.name import image_of, named
from dvpt_monai.errors import DataError

__all__ = ["read_decathlon", "slashed"]

logger = logging.getLogger(__name__)


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
        One ``{"image": path, "label": path, "name": path below root}`` per case, in the file's order; no label where
        the section has none. An image may be a list of files, which become its channels. An entry may have a
        ``"group"`` of what must stay together, such as the patient. Entries of hidden files, such as macOS leaves
        beside those that it unpacks, are left out with a warning.

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
        >>> case["name"], Path(case["label"]).name
        ('image.nii.gz', 'mask.nii.gz')
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
    hidden: list[str] = []
    for number, entry in enumerate(table[section]):
        entry = {"image": entry} if isinstance(entry, str) else entry
        paths = {key: entry.get(key) for key in ("image", "label")} if isinstance(entry, dict) else {}
        image = paths.get("image")
        files: list[Any] = image if isinstance(image, list) else [image]
        named_files = bool(files) and all(isinstance(file, str) for file in files)
        if not named_files or not isinstance(paths.get("label"), str | None):
            raise DataError(
                f"{path}: {section}[{number}] names no image; write {{'image': ..., 'label': ...}} with paths"
            )
        if section == "training" and paths["label"] is None:
            raise DataError(f"{path}: {section}[{number}], {paths['image']}, has no label; add it or delete the entry")
        files = [slashed(file, folder) for file in files]
        if PurePosixPath(files[0]).name.startswith("."):
            hidden.append(files[0])
            continue
        images = [str(folder / file) for file in files]
        case: Case = {"image": images[0] if isinstance(entry["image"], str) else images}
        if paths["label"] is not None:
            case["label"] = str(folder / slashed(str(paths["label"]), folder))
        case |= named(images[0], folder)
        if entry.get("group") not in (None, ""):
            case["group"] = str(entry["group"])
        cases.append(case)
    if hidden:
        logger.warning("%s: %d hidden files are left out, the first is %s", path, len(hidden), hidden[0])
    if not cases:
        raise DataError(f"{path}: section {section!r} lists hidden files alone, such as {hidden[0]}; list the images")
    twice = [image for image, count in Counter(map(image_of, cases)).items() if count > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]} is listed twice; keep one entry per image")
    check_files(cases, ("image", "label"), f"{path}: unpack the data set in {folder} again")
    return all_grouped(cases)


def slashed(name: str, folder: Path) -> str:
    r"""The path of a file below a folder, where Windows wrote it with backslashes.

    Example:
        >>> slashed(r".\imagesTr\a.nii.gz", Path("data"))
        './imagesTr/a.nii.gz'
    """
    return name if "\\" not in name or (folder / name).exists() else name.replace("\\", "/")
