"""A slim bundle made whole: its backbone fetched, its adapter loaded, its network written."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from dvpt_monai.bundle_files import ADAPTER, MODEL
from dvpt_monai.errors import BundleError
from dvpt_monai.networks.pretrained import load_pretrained
from dvpt_monai.networks.pretrained.catalog import CATALOG
from dvpt_monai.networks.pretrained.receipt import Receipt
from dvpt_monai.networks.pretrained.source import read_source
from dvpt_monai.ship.fit import unfit
from dvpt_monai.ship.network import network_of
from dvpt_monai.tuning import is_tuned, load_adapter, read_header, untune
from dvpt_monai.whole_file import whole_file

__all__ = ["complete"]


def complete(folder: str | os.PathLike[str], backbone: str | os.PathLike[str] | None = None) -> Path:
    """Write ``models/model.pt`` from the adapter and the backbone that its header names; whole or not at all.

    Args:
        folder: a slim bundle.
        backbone: the file of the backbone; by default it is fetched by the name in the adapter's header.

    Returns:
        The path of the network.

    Raises:
        BundleError: there is no adapter, the network is there already, the backbone has no name in the catalog or
            another sha256, or the adapter is not of the network of ``inference.json``.
        PretrainedError: the backbone cannot be fetched or read.
        AdapterError: the adapter is damaged, or belongs to another backbone by its fingerprint.
    """
    root = Path(folder).resolve()
    adapter, model = root / ADAPTER, root / MODEL
    if model.exists():
        raise BundleError(f"{model} is there, the bundle is complete; to make it again, delete it first")
    if not adapter.is_file():
        raise BundleError(f"{adapter}: no such file; complete a bundle that was packed --slim, or train this one")
    header = read_header(adapter)["backbone"]["receipt"]
    if header is None:
        raise BundleError(f"{adapter} was trained on random weights, which nothing can fetch again; train the bundle")
    receipt = Receipt.from_dict(header)
    name, pinned = receipt.source, receipt.sha256
    if backbone is None and name not in CATALOG:
        raise BundleError(
            f"{adapter} needs the backbone {name} (sha256 {pinned}), which no catalog has; give its file: --backbone"
        )
    checkpoint = read_source(backbone or name)
    if pinned and checkpoint.sha256 != pinned:
        raise BundleError(
            f"{backbone or name} has sha256 {checkpoint.sha256}; {adapter} belongs to {name} with {pinned}. Give that "
            "file with --backbone"
        )
    network = network_of(root).cpu()
    expected = {key: value.clone() for key, value in network.state_dict().items()}
    if is_tuned(network):
        untune(network)
    load_pretrained(network, checkpoint, position_resize=receipt.position_resize)
    state = load_adapter(network, adapter).state_dict()
    problem = unfit(state, expected)
    if problem:
        raise BundleError(f"{adapter} is not of the network of configs/inference.json: {problem}; correct the config")
    with whole_file(model) as part:
        torch.save({key: value.contiguous() for key, value in state.items()}, part)
    return model
