"""The layout of the Medical Segmentation Decathlon: a ``dataset.json`` that lists pairs of image and mask."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvpt_monai.data.decathlon import read_decathlon, slashed
from dvpt_monai.errors import DataError
from dvpt_monai.layouts.labels import labels_of
from dvpt_monai.layouts.listing import Case, Listing, Lost, Note, lost_of

__all__ = ["content_of", "find", "read"]

SECTIONS = {"training": "train", "validation": "validation", "test": "test"}


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of the ``dataset.json`` in a folder; ``None`` if there is none that lists them."""
    path = folder / "dataset.json"
    listed = path.is_file() and isinstance(content_of(path).get("training"), list)
    return read(path, lost) if listed else None


def read(path: Path, lost: list[Lost] | None = None) -> Listing:
    """The cases of a ``dataset.json``; those without their files go into ``lost``, if that is given.

    Raises:
        DataError: it is broken, or lists what is not there.
    """
    content = content_of(path)
    cases: list[Case] = []
    notes: list[Note] = []
    for section, part in SECTIONS.items():
        entries = content.get(section)
        if section != "training" and not (isinstance(entries, list) and entries):
            continue
        if section != "training" and not all(isinstance(entry, dict) and "label" in entry for entry in entries or ()):
            notes.append(Note(f"section {section!r} has no labels and is left out"))
            continue
        for case in _listed(path, section, content[section], lost):
            image, *channels = map(Path, _files(case["image"]))
            cases.append(Case(image, Path(case["label"]), part, str(case.get("group", "")), tuple(channels)))
    if {case.part for case in cases} == {"train"}:
        cases = [replace(case, part="") for case in cases]
    labels = labels_of(content, path)
    return Listing("Decathlon", path.parent, tuple(cases), notes=tuple(notes), sources=(path,), **labels)


def _files(image: str | list[str]) -> list[str]:
    return [image] if isinstance(image, str) else image


def _listed(path: Path, section: str, entries: list[Any], lost: list[Lost] | None) -> list[dict[str, Any]]:
    try:
        return read_decathlon(path, section)
    except DataError:
        reason = f"{path.name} lists it, but there is no such file"

        def place(file: str) -> str:
            return str(path.parent / slashed(file, path.parent))

        named = [entry for entry in entries if isinstance(entry, dict)]
        cases = [
            {**entry, "image": [place(file) for file in _files(entry.get("image", ""))],
             "label": place(str(entry.get("label")))}
            for entry in named
        ]  # fmt: skip
        missing = [lost_of([Path(file) for file in (*case["image"], case["label"])], reason) for case in cases]
        if lost is None or not any(missing):
            raise
    lost += [each for several in missing for each in several]
    return [case for case, lacks in zip(cases, missing, strict=True) if not lacks]


def content_of(path: Path) -> dict[str, Any]:
    """The object in a ``dataset.json``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); repair or fetch it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: it holds no object; write {{'training': [{{'image': ..., 'label': ...}}]}}")
    return content
