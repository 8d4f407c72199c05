"""Write a bundle, whole or not at all."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from dvpt_monai.errors import BundleError, reason
from dvpt_monai.layouts.listing import Case
from dvpt_monai.new_bundle.documents import LICENCE_OF_THE_DATA
from dvpt_monai.new_bundle.page import page
from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.new_bundle.recipe import CASES, recipe
from dvpt_monai.recipes.style import styled
from dvpt_monai.recipes.write import files, fixed
from dvpt_monai.tables import csv_text

__all__ = ["write_bundle"]

SECTIONS = {"train": "training", "validation": "validation", "test": "test"}


def write_bundle(proposal: Proposal, out: Path, overwrite: bool = False) -> None:
    """Write the bundle of a proposal, and build its network with the backbone's weights before it takes its place.

    Raises:
        BundleError: the folder exists and is not to be overwritten, or is no bundle.
        PretrainedError: the backbone does not fit the network.
    """
    check_free(out, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as home:
        folder = Path(home) / out.name
        _write(proposal, folder)
        _build(folder)
        old = Path(home) / "old"
        if out.exists():
            os.replace(out, old)
        try:
            os.replace(folder, out)
        except OSError:
            if old.exists():
                os.replace(old, out)
            raise


def check_free(out: Path, overwrite: bool) -> None:
    """Raise a BundleError if something is there that may not be overwritten."""
    if not out.exists():
        return
    if not overwrite:
        raise BundleError(f"{out} is there already; --overwrite replaces it and what was trained in it")
    if any(out.iterdir()) and not (out / "configs" / "metadata.json").is_file():
        raise BundleError(f"{out} is no bundle and is not overwritten; choose another --out")


def _write(proposal: Proposal, folder: Path) -> None:
    table = _rows if proposal.task == "classification" else _dataset
    backbone = proposal.architecture.weights
    contents = {
        **files(recipe(proposal)),
        CASES[proposal.task]: table(proposal),
        "large_files.yml": fixed("large_files.yml"),
        "docs/README.md": page(proposal),
        "docs/data_license.txt": LICENCE_OF_THE_DATA.format(root=proposal.root, backbone=backbone),
    }
    for directory in ("configs", "docs"):
        (folder / directory).mkdir(parents=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")


def _rows(proposal: Proposal) -> str:
    """The cases as a table: image, label, class, split, and the group where there are any."""
    listing, grouped = proposal.survey.listing, any(case.group for case in proposal.parts.cases)
    rows = []
    for case in proposal.parts.cases:
        number = proposal.numbers[str(case.label)]
        row = {"image": listing.below(case.image), "label": number, "class": proposal.classes[number]}
        rows.append({**row, "split": case.part, **({"group": case.group} if grouped else {})})
    return csv_text(rows)


def _dataset(proposal: Proposal) -> str:
    """The cases as a ``dataset.json`` of the Decathlon, one a line."""
    listing = proposal.survey.listing

    def entry(case: Case) -> dict[str, Any]:
        files = [listing.below(path) for path in (case.image, *case.channels)]
        pair = {"image": files if case.channels else files[0], "label": listing.below(Path(case.label))}
        return {**pair, "group": case.group} if case.group else pair

    head: dict[str, Any] = {
        "name": proposal.name,
        "tensorImageSize": f"{proposal.dims}D",
        "labels": {str(number): name for number, name in enumerate(proposal.predicted)},
    }
    cases: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS.values()}
    for case in proposal.parts.cases:
        cases[SECTIONS[case.part]].append(entry(case))
    return styled({**head, **{section: found for section, found in cases.items() if found}})


def _build(folder: Path) -> None:
    """Build the training network and fill it, so that what does not fit is found now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns that configs run code
        parser = ConfigParser()
        parser.read_config(str(folder / "configs" / "train.json"))
        parser["bundle_root"] = str(folder)
        try:
            parser.get_parsed_content("pretrained")
        except Exception as error:  # a config can raise anything; the cause says what is wrong
            raise reason(error) from error
