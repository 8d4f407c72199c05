"""The layout of the Medical Segmentation Decathlon: a ``dataset.json`` that lists pairs of image and mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dvpt_monai.data import read_decathlon
from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.listing import Case, Listing, Lost, Note, lost_of

__all__ = ["find", "names_of", "read"]

SECTIONS = {"training": "train", "validation": "validation", "test": "test"}


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of the ``dataset.json`` in a folder; ``None`` if there is none that lists them."""
    path = folder / "dataset.json"
    listed = path.is_file() and isinstance(_content(path).get("training"), list)
    return read(path, lost) if listed else None


def read(path: Path, lost: list[Lost] | None = None) -> Listing:
    """The cases of a ``dataset.json``; those without their files go into ``lost``, if that is given.

    Raises:
        DataError: it is broken, or lists what is not there.
    """
    content = _content(path)
    cases: list[Case] = []
    notes: list[Note] = []
    for section, part in SECTIONS.items():
        entries = content.get(section)
        if section != "training" and not (isinstance(entries, list) and entries):
            continue
        if section != "training" and not all(isinstance(entry, dict) and "label" in entry for entry in entries or ()):
            notes.append(Note(f"section {section!r} has no labels and is left out"))
            continue
        cases += [
            Case(Path(case["image"]), Path(case["label"]), part, str(case.get("group", "")))
            for case in _listed(path, section, content[section], lost)
        ]
    if {case.part for case in cases} == {"train"}:
        cases = [Case(case.image, case.label, group=case.group) for case in cases]
    return Listing("Decathlon", path.parent, tuple(cases), names_of(content), tuple(notes))


def _listed(path: Path, section: str, entries: list[Any], lost: list[Lost] | None) -> list[dict[str, Any]]:
    try:
        return read_decathlon(path, section)
    except DataError:
        reason = f"{path.name} lists it, but there is no such file"
        named = [entry for entry in entries if isinstance(entry, dict)]
        cases = [{**entry, **{key: path.parent / str(entry.get(key)) for key in ("image", "label")}} for entry in named]
        missing = [lost_of((case["image"], case["label"]), reason) for case in cases]
        if lost is None or not any(missing):
            raise
    lost += [each for several in missing for each in several]
    return [case for case, lacks in zip(cases, missing, strict=True) if not lacks]


def names_of(content: dict[str, Any]) -> dict[int, str]:
    """The names of a mask's values, as the Decathlon (value: name) or nnU-Net (name: value) writes them.

    Example:
        >>> names_of({"labels": {"0": "background", "1": "liver"}})
        {0: 'background', 1: 'liver'}
        >>> names_of({"labels": {"background": 0, "liver": 1}})
        {0: 'background', 1: 'liver'}
    """
    labels = content.get("labels")
    if not isinstance(labels, dict):
        return {}
    try:
        return {int(value): str(name) for value, name in labels.items()}
    except ValueError:
        return {value: str(name) for name, value in labels.items() if isinstance(value, int)}


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); repair or fetch it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: it holds no object; write {{'training': [{{'image': ..., 'label': ...}}]}}")
    return content
