"""The network that a bundle's own config describes."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from monai.bundle import ConfigParser
from torch import nn

from dvpt_monai.errors import BundleError, reason

__all__ = ["network_of"]


def network_of(folder: str | os.PathLike[str], config: str = "inference") -> nn.Module:
    """Build ``network_def`` of a bundle, with random weights; the config's expressions run.

    Raises:
        BundleError: the config cannot be read, or builds no network.
    """
    root = Path(folder).resolve()
    path = root / "configs" / f"{config}.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns that configs run code
        try:
            parser = ConfigParser()
            parser.read_config(str(path))
            parser["bundle_root"] = str(root)
            network = parser.get_parsed_content("network_def")
        except Exception as error:  # a config can raise anything
            raise BundleError(f"{path}: network_def cannot be built ({reason(error)}); correct the config") from error
    if not isinstance(network, nn.Module):
        raise BundleError(f"{path}: network_def is a {type(network).__name__}, not a network; correct the config")
    return network
