"""Options of the command line that no config knows: a typing error, most often, that would train for hours."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

from dvpt_monai.bundle.callers import callers
from dvpt_monai.errors import BundleError

__all__ = ["check_options"]


def check_options() -> None:
    """Refuse what ``python -m monai.bundle run`` was given beside the names in its configs; for ``initialize``.

    MONAI takes an unknown ``--epoch 1`` as a new entry that nobody reads. Other ways into a config (a workflow of one's
    own, MONAI Label, federated clients) may add what they need.

    Raises:
        BundleError: names the option, and the one that was meant.
    """
    for frame in callers():
        if frame.f_globals.get("__name__") == "monai.bundle.scripts" and frame.f_code.co_name == "run":
            given, files = frame.f_locals.get("override"), frame.f_locals.get("config_file")
            if given and files:
                mlflow: Any = DEFAULT_MLFLOW_SETTINGS["configs"]
                tracked = set(mlflow) if frame.f_locals.get("tracking") else set()
                _check(given, {*ConfigParser.load_config_files(files)} | tracked)
            return


def _check(given: dict[str, object], known: set[str]) -> None:
    for option in given:
        name = re.split("#|::", option)[0]
        if name not in known:
            close = get_close_matches(name, known, n=1)
            meant = f", did you mean --{close[0]}?" if close else "."
            raise BundleError(f"--{option}: unknown{meant} The names at the top of the configs are the options")
