"""Networks of volumes over a 2D backbone, in one of three ways, which an option chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dvpt_monai.errors import BundleError, did_you_mean
from dvpt_monai.networks.classifier import ViTClassifier
from dvpt_monai.networks.slices import SliceClassifier
from dvpt_monai.networks.unetr import UNETR

__all__ = ["volume_classifier", "volume_unetr"]

WAYS = ("inflate", "slices", "planes")


def volume_classifier(
    num_classes: int,
    *,
    volume: str = "inflate",
    slice_axes: Sequence[int] = (0, 1, 2),
    slice_step: int = 1,
    **classifier: Any,
) -> ViTClassifier:
    """A classifier of volumes with the weights of a 2D vision transformer.

    Args:
        num_classes: outputs.
        volume: ``"inflate"``: the patch kernel becomes one of cubes, and all patches attend to each other;
            ``"planes"``: the same, but patches attend within the planes of one axis after the other;
            ``"slices"``: each slice goes through the 2D network, and attention weighs what they gave.
        slice_axes: across which slices are cut; for ``"slices"`` alone.
        slice_step: one of so many slices is read; likewise.
        classifier: arguments of :class:`~dvpt_monai.ViTClassifier` but for its dimensions.

    Raises:
        BundleError: there is no such way.

    Example:
        >>> sizes = dict(in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8, num_layers=1, num_heads=2)
        >>> [type(volume_classifier(2, volume=way, **sizes)).__name__ for way in ("inflate", "slices", "planes")]
        ['ViTClassifier', 'SliceClassifier', 'ViTClassifier']
    """
    _check(volume)
    if volume == "slices":
        return SliceClassifier(num_classes, axes=slice_axes, step=slice_step, **classifier)
    return ViTClassifier(num_classes, spatial_dims=3, depth_embedding=True, planes=volume == "planes", **classifier)


def volume_unetr(*, volume: str = "inflate", **unetr: Any) -> UNETR:
    """A UNETR of volumes with the weights of a 2D vision transformer.

    Args:
        volume: as of :func:`volume_classifier`; with ``"slices"`` each slice across the last axis goes through the 2D
            network, and a decoder in 3D reads their maps as one.
        unetr: arguments of :class:`~dvpt_monai.UNETR` but for its dimensions.

    Raises:
        BundleError: there is no such way.

    Example:
        >>> sizes = dict(in_channels=1, out_channels=2, img_size=16, patch_size=8, feature_size=4, hidden_size=8,
        ...              mlp_dim=8, num_layers=3, num_heads=2)
        >>> [volume_unetr(volume=way, **sizes).reads_slices for way in ("inflate", "slices", "planes")]
        [False, True, False]
    """
    _check(volume)
    if volume == "slices":
        return UNETR(slices=True, **unetr)
    return UNETR(depth_embedding=True, planes=volume == "planes", **unetr)


def _check(volume: str) -> None:
    if volume not in WAYS:
        near = did_you_mean(str(volume), WAYS)
        raise BundleError(f"--volume {volume}: " + (f"did you mean {near}?" if near else f"give {', '.join(WAYS)}"))
