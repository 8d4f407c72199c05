"""Values that reach a config from outside of its owner's command line: data, and never code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai.bundle import ConfigParser
from monai.utils import ensure_tuple

from dvpt_monai.errors import BundleError

if TYPE_CHECKING:
    from monai.fl.client import MonaiAlgo

__all__ = ["check_federated", "check_outside", "check_written_by_a_host"]

CODE = ("$", "%", "@")
"""What a string begins with that MONAI evaluates, replaces or looks up."""
OF_MONAI_LABEL = frozenset({"CheckpointLoader", "$@network"})
"""What MONAI Label itself puts into a training, to begin from ``models/model.pt``."""
TRUST = "DVPT_TRUST_OVERRIDES"
WRITTEN = "monailabel_train.json"
"""Where MONAI Label writes ``train.json`` with a client's values, beside it."""


def check_outside(given: Mapping[str, Any], own: Any) -> None:
    """Refuse values of a program that would be evaluated, such as what a client of MONAI Label sends as ``device``.

    A value may repeat what stands in the bundle's own configs. Who writes such a program and answers for its values
    sets ``DVPT_TRUST_OVERRIDES=1``.

    Args:
        given: values by the ids that they replace.
        own: content of the bundle's configs.

    Raises:
        BundleError: names the id and the value.

    Example:
        >>> check_outside({"device": "$open('/tmp/x', 'w')"}, {"device": "cpu"})
        Traceback (most recent call last):
        dvpt_monai.errors.BundleError: device: "$open('/tmp/x', 'w')" comes from outside and would be evaluated; ...
    """
    if os.environ.get(TRUST) == "1":
        return
    known = {text for _, text in _evaluated("", own)} | OF_MONAI_LABEL
    for name, value in given.items():
        for place, text in _evaluated(name, value):
            if text not in known:
                raise BundleError(
                    f"{place}: {text!r} comes from outside and would be evaluated; give a plain value. A program of "
                    f"your own sets {TRUST}=1"
                )


def check_written_by_a_host(files: Any) -> None:
    """Refuse a config that MONAI Label wrote for several GPUs with what a client sent, if it would evaluate that.

    Args:
        files: the configs of a run, as MONAI takes them.

    Raises:
        BundleError: names the id and the value.
    """
    for file in (Path(str(file)) for file in ensure_tuple(files)):
        own = file.with_name("train.json")
        if file.name == WRITTEN and own.is_file():
            check_outside(ConfigParser.load_config_file(file), ConfigParser.load_config_file(own))


def check_federated(client: MonaiAlgo) -> None:
    """Refuse what the job of a federated server sets in the configs of this site, if it would be evaluated.

    Args:
        client: of MONAI, as NVIDIA FLARE runs it.

    Raises:
        BundleError: names the id and the value.
    """
    for files, given in (
        (client.config_train_filename, client.train_kwargs),
        (client.config_evaluate_filename, client.eval_kwargs),
    ):
        if files:
            paths = [Path(client.bundle_root, file) for file in ensure_tuple(files)]
            check_outside(given, ConfigParser.load_config_files(paths))


def _evaluated(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """What MONAI would do more with than to take it, and where it stands."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _evaluated(f"{place}#{key}".lstrip("#"), inside)
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)) and hasattr(value, "__getitem__"):
        for number, inside in enumerate(value):
            yield from _evaluated(f"{place}#{number}", inside)
    elif isinstance(value, str):
        last = re.split("#|::", place)[-1].lstrip("+")
        special = last in ("_target_", "_mode_") or (last == "method" and "(" in value)
        if special or value.startswith(CODE):
            yield place, value.replace("#", "::")  # as MONAI writes ids once it has parsed a config
