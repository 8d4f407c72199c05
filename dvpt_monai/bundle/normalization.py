"""What the images of a bundle are normalised with: as its backbone was trained, and after a training as that was."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from dvpt_monai.bundle.trained_settings import trained_settings
from dvpt_monai.errors import PretrainedError
from dvpt_monai.networks.pretrained.catalog import CATALOG
from dvpt_monai.networks.pretrained.config import Config
from dvpt_monai.networks.pretrained.normalizations import IMAGENET, Normalization
from dvpt_monai.networks.pretrained.recognise import recognise
from dvpt_monai.networks.pretrained.source import read_source

__all__ = ["normalization"]

logger = logging.getLogger(__name__)


def normalization(weights: str | os.PathLike[str], trained: str | os.PathLike[str] | None = None) -> tuple[Any, Any]:
    """Mean and standard deviation of each channel, of values in [0, 1].

    After a training they are what it wrote into the header of its adapter; no backbone is opened then. Before, they are
    those of the catalog by the backbone's name, or what a file tells, its metadata, its config or its layout. Random
    weights, and a file of three channels that tells nothing, get ImageNet's.

    Args:
        weights: path or catalog name of the backbone, or ``"random"``.
        trained: an adapter, or a checkpoint with its ``adapter.safetensors`` beside it.

    Raises:
        PretrainedError: there is no such backbone, it cannot be read, or nothing tells how its channels, which are no
            three colours, were normalised.
        AdapterError: the adapter is damaged.

    Example:
        >>> normalization("augreg-vitb16")
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    if trained:
        settings = trained_settings(trained)
        if {"image_mean", "image_std"} <= settings.keys():
            return settings["image_mean"], settings["image_std"]
    if not weights or weights == "random":  # that nothing was named is what load_backbone complains of
        return IMAGENET
    return _of_backbone(str(weights))


def _of_backbone(name: str) -> Normalization:
    path = Path(name)
    listed = CATALOG[name].normalization if name in CATALOG and not path.exists() else None
    if listed:
        return listed
    known = Config.inside(path).normalization if path.is_file() else None
    if known:  # by a converted file's metadata; a config beside weights may not fit the channels of their kernel
        return known
    backbone = recognise(read_source(name))
    if backbone.normalization:
        return backbone.normalization
    if backbone.channels != 3 or name in CATALOG:
        raise PretrainedError(
            f"{name} reads {backbone.channels} channel(s), and nothing tells how they were normalised in its training; "
            "give both options: --image_mean and --image_std, a number for each channel (of values in [0, 1])"
        )
    logger.warning("%s does not tell its normalisation; ImageNet's is taken. Else give image_mean, image_std", name)
    return IMAGENET
