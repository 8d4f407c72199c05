"""A trained bundle as one archive that ``python -m monai.bundle download`` takes."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dvpt_monai.bundle_files import ADAPTER, MODEL, completion
from dvpt_monai.errors import AdapterError, BundleError, CheckpointError
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.ship.contents import contents, metadata_of
from dvpt_monai.ship.fit import settings_of, undescribed, unfit
from dvpt_monai.ship.network import network_of
from dvpt_monai.torch_file import read_torch_file
from dvpt_monai.tuning import Method, read_header, trained_tensors
from dvpt_monai.tuning.agreement import check_agreement
from dvpt_monai.tuning.architecture import check_architecture
from dvpt_monai.tuning.trains import frozen_tensors, recorded
from dvpt_monai.whole_file import whole_file

__all__ = ["pack"]


def pack(folder: str | os.PathLike[str], out: str | os.PathLike[str], slim: bool = False) -> Path:
    """Write ``<name>_v<version>.zip``, whose one folder is the bundle, and its sha256 beside it.

    The same files give the same bytes. What runs wrote, caches and hidden files stay out.

    Args:
        folder: the bundle, trained.
        out: folder to write to; made if missing.
        slim: leave out the network and ship the adapter, whose header names the backbone by source, sha256 and
            fingerprint; :func:`~dvpt_monai.ship.complete.complete` makes the network again.

    Returns:
        The archive.

    Raises:
        BundleError: the bundle is not trained, has no version or a link out of its folder, or its weights are not those
            of ``inference.json``, or its adapter is of a network that computes something else, or was trained on other
            images or classes than its metadata say; or slim is asked of a network without a pre-trained backbone.
        AdapterError: the adapter is damaged.
        CheckpointError: the network is of another epoch than the adapter.
    """
    root = Path(folder).resolve()
    names, version = contents(root), metadata_of(root).get("version")
    if not isinstance(version, str) or not re.fullmatch(r"[\w.+-]+", version):
        raise BundleError(f"{root / 'configs' / 'metadata.json'}: version is {version!r}; give one like 0.1.0")
    _check_links(root, names)
    if slim:
        _check_adapter(root)
        names = [name for name in names if not name.startswith("models/") or name == ADAPTER]
    else:
        _check_model(root)
    if problem := undescribed(root):
        raise BundleError(f"{root}: {problem}")
    archive = Path(out) / f"{root.name}_v{version}.zip"
    with whole_file(archive) as part:
        _write(root, names, part)
    record = archive.with_name(f"{archive.name}.sha256")
    with whole_file(record) as part:
        part.write_text(f"{sha256_of(archive)}  {archive.name}\n")  # as `sha256sum --check` reads it
    return archive


def _write(root: Path, names: list[str], target: Path) -> None:
    # Stored, not deflated: weights hardly shrink, and so the bytes are those of every version of zlib.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(f"{root.name}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.file_size = (root / name).stat().st_size
            with (root / name).open("rb") as file, archive.open(entry, "w") as member:
                shutil.copyfileobj(file, member, 1 << 20)


def _check_links(root: Path, names: list[str]) -> None:
    for name in names:
        place = (root / name).resolve()
        if not place.is_relative_to(root):
            raise BundleError(f"{root / name} is a link out of the bundle, to {place}; put a copy of that in its place")


def _check_model(root: Path) -> None:
    path = root / MODEL
    if not path.is_file():
        slim = f", complete it (`{completion(root)}`) or pack it --slim" if (root / ADAPTER).is_file() else ""
        raise BundleError(f"{path}: no such file, the bundle is not trained; train it first{slim}")
    try:
        state = read_torch_file(path)
    except CheckpointError as error:
        raise BundleError(f"{path} cannot be read ({error}); train again") from error
    network = network_of(root)
    problem = unfit(state, network.state_dict())
    if problem:
        remedy = settings_of(root)
        raise BundleError(f"{path} does not fit the network of configs/inference.json: {problem}; {remedy}")
    check_agreement(state, path)


def _check_adapter(root: Path) -> None:
    path = root / ADAPTER
    if not path.is_file():
        raise BundleError(f"{path}: no such file, the bundle is not trained; train it first")
    header = read_header(path)
    if header["backbone"]["receipt"] is None:
        raise BundleError(
            f"{path} was trained on random weights, which nothing can fetch again; pack the bundle without --slim"
        )
    network = network_of(root)
    tuning = recorded(network)
    if tuning is None:
        raise BundleError(f"{root / 'configs' / 'inference.json'}: network_def is not tuned; pack it without --slim")
    trained = {name: shape for name, (_, *shape) in header["tensors"].items()}
    frozen = {name: description["shape"] for name, description in header["backbone"]["fingerprint"].items()}
    if (
        Method.completed(header["method"]) != Method.completed(tuning.method.arguments())
        or trained != _shapes(trained_tensors(network))
        or frozen != _shapes(frozen_tensors(network))
    ):
        raise BundleError(
            f"{path} does not fit the network of configs/inference.json, it was trained with {header['method']} for "
            f"{header['settings']}; {settings_of(root)}"
        )
    try:
        check_architecture(network, header["network"], path)
    except AdapterError as error:
        config = root / "configs" / "inference.json"
        raise BundleError(f"{config} builds another network: {str(error).removeprefix('load_adapter: ')}") from error


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}
