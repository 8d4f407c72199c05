"""nnU-Net's raw data: a file for each channel (``case_0000``, ``case_0001``), one mask, and a ``dataset.json``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dvpt_monai.errors import DataError
from dvpt_monai.layouts.decathlon import content_of
from dvpt_monai.layouts.files import images_below, stem_of
from dvpt_monai.layouts.labels import labels_of
from dvpt_monai.layouts.listing import Case, Listing, Lost

__all__ = ["find"]

PARTS = {"Tr": "train", "Ts": "test"}
CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of ``imagesTr`` and ``labelsTr``, and of ``imagesTs`` where there is ``labelsTs``; else ``None``.

    Raises:
        DataError: a case lacks a channel that others have, or its mask.
    """
    if not (folder / "imagesTr").is_dir() or not (folder / "labelsTr").is_dir():
        return None
    path = folder / "dataset.json"
    content: dict[str, Any] = content_of(path) if path.is_file() else {}
    parts = [part for part in PARTS if all(images_below(folder / f"{kind}{part}") for kind in ("images", "labels"))]
    cases = []
    for part in parts:
        matched = [(file, CHANNEL.fullmatch(stem_of(file))) for file in images_below(folder / f"images{part}")]
        if not all(match for _, match in matched):
            return None
        files: dict[str, dict[str, Path]] = defaultdict(dict)
        for file, match in matched:
            if match:
                files[match["case"]][match["channel"]] = file
        cases += _of_part(folder / f"labels{part}", files, PARTS[part] if len(parts) > 1 else "", lost)
    if not cases:
        return None
    named = content.get("channel_names") or content.get("modality") or {}
    count = 1 + len(cases[0].channels)
    channels = tuple(str(named[key]) for key in sorted(named, key=str)) if isinstance(named, dict) else ()
    return Listing(
        "nnU-Net's raw data",
        folder,
        tuple(cases),
        channels=channels if len(channels) == count else (),
        endings=tuple(sorted(_numbers(cases[0].files))) if count > 1 else (),
        sources=(path,) if path.is_file() else (),
        **labels_of(content, path),
    )


def _of_part(folder: Path, files: dict[str, dict[str, Path]], part: str, lost: list[Lost] | None) -> list[Case]:
    masks = {stem_of(path): path for path in images_below(folder)}
    wanted = sorted({channel for channels in files.values() for channel in channels})
    cases = []
    wrong: list[Lost] = []
    for case, channels in files.items():
        paths = tuple(channels[channel] for channel in sorted(channels))
        lacking = [channel for channel in wanted if channel not in channels]
        if lacking:
            wrong.append(Lost(paths[0], f"its case has no channel {lacking[0]}, as others have", paths[1:]))
        elif case not in masks:
            wrong.append(Lost(paths[0], f"no mask {case} in {folder.name}", paths[1:]))
        else:
            cases.append(Case(paths[0], masks[case], part, channels=paths[1:]))
    wrong += [Lost(path, "no image has its name") for case, path in masks.items() if case not in files]
    if wrong and lost is None:
        raise DataError(f"{wrong[0].file}: {wrong[0].reason}; add what is missing, or move the case away")
    if lost is not None:
        lost += wrong
    return cases


def _numbers(files: Sequence[Path]) -> Iterator[str]:
    yield from (match["channel"] for file in files if (match := CHANNEL.fullmatch(stem_of(file))))
