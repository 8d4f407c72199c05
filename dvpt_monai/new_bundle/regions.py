"""The task of a new bundle whose structures overlap: a channel for each, and one mask of them all to write."""

from __future__ import annotations

from collections.abc import Sequence

from dvpt_monai.recipes.answers import (
    above_threshold,
    activation,
    cases_table,
    figure,
    invert,
    mean_dice,
    metrics_table,
)
from dvpt_monai.recipes.recipe import Config, Steps, Task
from dvpt_monai.recipes.tasks import label_map

__all__ = ["KNOWN_LOSS", "read_regions", "regions", "without_unknown"]

KNOWN_LOSS: Config = {"loss": {"_target_": "dvpt_monai.losses.KnownPixelsLoss"}}
"""A loss that passes over pixels of which nothing is known."""


def without_unknown() -> Config:
    """What is scored where nothing is known: nothing."""
    return {"_target_": "dvpt_monai.transforms.WithoutUnknownd", "keys": "pred", "label_key": "label"}


def read_regions(ignored: int | None) -> Config:
    """The values of a mask as regions."""
    step: Config = {"_target_": "dvpt_monai.transforms.MaskRegionsd", "keys": "label", "regions": "@regions"}
    return step if ignored is None else {**step, "ignored": ignored}


def regions(
    names: Sequence[str], members: Sequence[Sequence[int]], values: Sequence[int], dims: int, save: Steps, unknown: bool
) -> Task:
    """The task.

    Args:
        names: of the regions.
        members: the values in masks that each consists of.
        values: what a predicted mask holds for each, a later one over an earlier.
        dims: of the images.
        save: steps that write the mask.
        unknown: whether there are pixels of which nothing is known.
    """
    drawn = "OverlayFigure" if dims == 2 else "SegmentationFigure"
    merged: Config = {"_target_": "dvpt_monai.transforms.RegionMapd", "keys": "pred", "values": "@region_values"}
    whole: Config = {"_target_": "CastToTyped", "keys": "pred", "dtype": "$numpy.uint8"}
    return Task(
        kind="segmentation",
        ids={"num_classes": len(names), "region_values": list(values), "threshold": 0.5},
        names={
            "structures": list(names),
            "regions": [list(each) for each in members],
            "dice_names": ["dice_" + name.replace(" ", "_") for name in names],
        },
        loss={"loss": {**KNOWN_LOSS["loss"], "overlapping": True}},
        overlap=None if dims == 2 else 0.5,
        scored=[activation("sigmoid"), above_threshold(), *([without_unknown()] if unknown else [])],
        key_metric={"mean_dice": mean_dice()},
        additional_metrics={"dice": mean_dice(reduction="mean_batch", return_with_label="@dice_names")},
        tables=[metrics_table(), cases_table()],
        figure=figure(drawn, structures="@structures", **({} if dims == 2 else {"overlapping": True})),
        evaluated="metrics.csv, cases.csv and predictions.png",
        predicted=[activation("sigmoid"), invert(), above_threshold(), merged, *save],
        served=label_map(whole) if dims == 2 else {},
        predictions="len(@cases), 'masks to', @output_dir",
    )
