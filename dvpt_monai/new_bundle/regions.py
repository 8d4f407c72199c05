"""The task of a new bundle whose structures overlap: a channel for each, and one mask of them all to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dvpt_monai.recipes.answers import (
    above_threshold,
    activation,
    cases_table,
    dice,
    figure,
    invert,
    metrics_table,
    structure_scores,
)
from dvpt_monai.recipes.recipe import Config, Task
from dvpt_monai.recipes.tasks import DICE_NAMES, SURFACES, label_map, save_labels

__all__ = ["KNOWN_LOSS", "layers", "read_regions", "regions", "without_unknown"]

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
    names: Sequence[str], members: Sequence[Sequence[int]], values: Sequence[int], dims: int, unknown: bool
) -> Task:
    """The task.

    Args:
        names: of the regions.
        members: the values in masks that each consists of.
        values: what a predicted mask holds for each, a later one over an earlier.
        dims: of the images.
        unknown: whether there are pixels of which nothing is known.
    """
    drawn = "OverlayFigure" if dims == 2 else "SegmentationFigure"
    merged: Config = {"_target_": "dvpt_monai.transforms.RegionMapd", "keys": "pred", "values": "@region_values"}
    whole: Config = {"_target_": "CastToTyped", "keys": "pred", "dtype": "$numpy.uint8"}
    return Task(
        kind="segmentation",
        ids={
            "num_classes": len(names),
            "structures": list(names),
            "region_values": list(values),
            "threshold": 0.5,
        },
        names={"regions": [list(each) for each in members], **DICE_NAMES},
        loss={"loss": {**KNOWN_LOSS["loss"], "overlapping": True}},
        overlap=None if dims == 2 else 0.5,
        activate="sigmoid",
        scored=[activation("sigmoid"), above_threshold(), *([without_unknown()] if unknown else [])],
        key_metric={"mean_dice": dice()},
        additional_metrics={"dice": dice(names="@dice_names")},
        tables=[metrics_table(), cases_table()],
        scores=structure_scores(),
        scored_at=dict(SURFACES),
        figure=figure(drawn, structures="@structures", **({} if dims == 2 else {"overlapping": True})),
        evaluated="metrics.csv, scores.csv, cases.csv, scores.png and predictions.png",
        output={"output_format": None},
        predicted=[
            activation("sigmoid"),
            invert(),
            above_threshold(),
            merged,
            save_labels("$dict(zip(@structures, @region_values))"),
        ],
        served=label_map(whole) if dims == 2 else {},
        predictions="len(@evaluator.done), 'masks to', @output_dir",
    )


def layers(names: Sequence[str]) -> Task:
    """The task of volumes whose masks hold their structures apart, as 3D Slicer has them; so are predictions written.

    Args:
        names: of the structures.
    """
    numbers = range(1, len(names) + 1)
    task = regions(names, [(number,) for number in numbers], numbers, dims=3, unknown=False)
    *answer, merged, _ = task.predicted
    return replace(
        task,
        ids={name: value for name, value in task.ids.items() if name != "region_values"},
        names=dict(DICE_NAMES),
        output={"output_format": "seg-nrrd"},
        predicted=[*answer, {**save_labels(), "overlapping": True}],
        served={
            "label_map": [{**merged, "values": list(numbers)}],
            "post_transforms": "$[*@postprocessing.transforms, *@label_map]",
        },
    )
