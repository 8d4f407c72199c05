"""What a person typed behind ``python -m monai.bundle run``, checked before any work: names, values, and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

from dvpt_monai.bundle.callers import callers
from dvpt_monai.bundle.checked_weights import check_beginning
from dvpt_monai.bundle.config_files import check_config_files
from dvpt_monai.bundle.option_values import check_device, check_fold, check_value
from dvpt_monai.bundle.outside import check_federated, check_outside, check_written_by_a_host
from dvpt_monai.bundle.plain_errors import runs_a_command
from dvpt_monai.errors import BundleError, did_you_mean

__all__ = ["check_options", "check_overrides"]

NAMED = ("method",)
"""What a word may name, though the config builds it."""


def check_options() -> None:
    """Refuse what the configs cannot take from ``python -m monai.bundle run``; for ``initialize``.

    MONAI takes an unknown ``--epoch 1`` as a new entry that nobody reads, and ``--epochs one`` as it is. Other ways
    into a config (a workflow of one's own, MONAI Label, federated clients) may add what they need.

    Raises:
        BundleError: names the option, its value, and what would do: an option that no config has, a value of another
            kind than the config's own, a device that is not there, a fold that there is not; the config that has to be
            given with the one that was; or a value of another program that would be evaluated.
    """
    for frame in callers():
        caller = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"
        if caller == "monai.fl.client.monai_algo.initialize":
            check_federated(frame.f_locals["self"])
            return
        if caller == "monai.bundle.scripts.run":
            given, files = frame.f_locals.get("override") or {}, frame.f_locals.get("config_file")
            if files:
                config = ConfigParser.load_config_files(files)
                check_config_files(files, config)
                if not runs_a_command():
                    check_outside(given, config)
                check_written_by_a_host(files)
                check_beginning({**config, **given})
                check_overrides(given, config, tracking=bool(frame.f_locals.get("tracking")))
            return


def check_overrides(given: Mapping[str, Any], config: Mapping[str, Any], tracking: bool = False) -> None:
    """Refuse names that no config has, and values of another kind than the config's own.

    Args:
        given: values by the ids that they replace.
        config: content of the configs together.
        tracking: whether MONAI adds what it tracks a run with.

    Raises:
        BundleError: as :func:`check_options` does.
    """
    mlflow: Any = DEFAULT_MLFLOW_SETTINGS["configs"]
    known = {*config, *(mlflow if tracking else ())}
    for option, value in given.items():
        path = re.split("#|::", option)
        if path[0] not in known:
            near = did_you_mean(path[0], known)
            meant = f", did you mean --{near}?" if near else "."
            if option == "models_dir" and "checkpoint" in known:  # of the training; predicting reads one file of it
                meant = f" here, give --checkpoint {value}/model.pt."
            raise BundleError(f"--{option}: unknown{meant} The names at the top of the configs are the options")
        own = _own(config, path)
        if isinstance(own, Mapping) and "_target_" in own and option not in NAMED and _plain(value):
            near = next((name for name in config if name.startswith(f"{option}_") and _plain(config[name])), None)
            meant = f"did you mean --{near} {value}?" if near else "give one, such as \"{'_target_': ...}\""
            raise BundleError(f"--{option} {value}: {option} is a part of the config that builds something; {meant}")
        check_value(option, value, own)
    if "device" in given:
        check_device(given["device"])
    if {"fold", "folds"} & given.keys():
        now = {**config, **given}
        check_fold(now.get("fold"), now.get("folds"))


def _plain(value: Any) -> bool:
    """Whether a value is a word or a number, and nothing that MONAI builds or evaluates."""
    return isinstance(value, (int, float)) or (isinstance(value, str) and not value.startswith(("$", "@", "%")))


def _own(config: Any, path: list[str]) -> Any:
    """What the config itself has at a path; None if nothing."""
    for name in path:
        if isinstance(config, list) and name.isdigit() and int(name) < len(config):
            config = config[int(name)]
        elif isinstance(config, Mapping) and name in config:
            config = config[name]
        else:
            return None
    return config
