"""What is asked of a network: one class, several labels, or a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dvpt_monai.recipes.answers import (
    activation,
    cases_table,
    class_scores,
    copy,
    dice,
    figure,
    highest,
    invert,
    metrics_table,
    onehot,
    predictions_table,
    split_spread,
    structure_scores,
    without_the_image,
)
from dvpt_monai.recipes.recipe import Config, Steps, Task

__all__ = [
    "CLASS_WEIGHTS",
    "DICE_NAMES",
    "ORDINAL_LOSS",
    "SURFACES",
    "classification",
    "label_map",
    "save_labels",
    "segmentation",
]

DICE_NAMES: Config = {"dice_names": "$dvpt_monai.metrics.metric_names('dice', @structures)"}
SURFACES: Config = {"surface_tolerance": 1.0}
"""How far surfaces may lie apart, in mm or pixels."""

CLASS_WEIGHTS: Config = {
    "class_weights": "$data.class_weights(@train#dataset#data, @num_classes, @class_weight_power).to(@device)"
}
ORDINAL_LOSS: Config = {
    **CLASS_WEIGHTS,
    "loss": {
        "_target_": "dvpt_monai.losses.OrdinalLoss",
        "num_classes": "@num_classes",
        "weight": "@class_weights",
        "distance": "@ordinal_distance",
    },
}
"""Cross-entropy, and the farther the worse with a ``distance`` above 0."""


def classification(
    *,
    activate: str = "softmax",
    decide: Config,
    scored: Steps = (),
    tables: Steps | None = None,
    columns: dict[str, str] | None = None,
    **own: Any,
) -> Task:
    """A label for an image, or several.

    Args:
        activate: what makes probabilities of logits.
        decide: the step that makes an answer of them.
        scored: further postprocessing of a validation.
        tables: that an evaluation writes, where they are others than of all classification.
        columns: names in the table of predictions.
        own: further fields of :class:`Task`.
    """
    probabilities, names = activation(activate), columns or {}
    return Task(
        kind="classification",
        activate=activate,
        scored=[probabilities, copy("pred", "probability"), decide, *scored],
        tables=tables or [metrics_table(), predictions_table(**names)],
        scores=class_scores(**names),
        scored_at={"operating_point": 0.9},
        evaluated="metrics.csv, scores.csv, predictions.csv, scores.png and predictions.png",
        predicted=[split_spread(), probabilities, copy("pred", "probability"), decide],
        served={
            "post_transforms": [
                split_spread(),
                probabilities,
                without_the_image("these instead of postprocessing: all scores, and no image to fit them to"),
            ]
        },
        table=predictions_table(**names),
        predictions="len(@evaluator.done), 'predictions to', @output_dir + '/predictions.csv'",
        **own,
    )


def segmentation(
    *, ids: Config, structures: Any, names: Config, save: Steps, drawn: Sequence[str] = (), **own: Any
) -> Task:
    """A structure for each pixel, or none, which is the background.

    Args:
        ids: what training and inference know alike.
        structures: names of the classes but for the background.
        names: ids of the names of scores.
        save: steps that write a mask.
        drawn: names of the structures, where an inference draws its predictions of photographs.
        own: further fields of :class:`Task`.
    """
    picture = {
        **figure("SegmentationFigure", structures=list(drawn), truth=False, pred="seen"),
        "path": "$@output_dir + '/predictions.png'",
        "mean": "@image_mean",
        "std": "@image_std",
        "note": "@note",
    }
    # as the network saw it, before it is brought back to the size and the values of the file
    seen = [copy("pred", "seen")] if drawn else []
    return Task(
        kind="segmentation",
        ids={**ids, "structures": structures},
        names=names,
        loss={"loss": {"_target_": "DiceCELoss", "softmax": True, "to_onehot_y": True, "include_background": False}},
        scored=[{**highest(), "to_onehot": "@num_classes"}, onehot("label")],
        key_metric={"mean_dice": dice(include_background=False)},
        additional_metrics={"dice": dice(include_background=False, names="@dice_names")},
        tables=[metrics_table(), cases_table()],
        scores=structure_scores(),
        scored_at=dict(SURFACES),
        figure=figure("SegmentationFigure", structures="@structures"),
        evaluated="metrics.csv, scores.csv, cases.csv, scores.png and predictions.png",
        output={"output_format": None},
        predicted=[activation("softmax"), *seen, invert(), highest(), *save],
        handlers=[picture] if drawn else [],
        predictions="len(@evaluator.done), 'masks to', @output_dir",
        **own,
    )


def save_labels(structures: str = "@structures") -> Config:
    """A mask on the grid of its image, in the format of that or in ``output_format``."""
    return {
        "_target_": "dvpt_monai.transforms.SaveImageSegmentationd",
        "keys": "pred",
        "output_dir": "@output_dir",
        "structures": structures,
        "output_format": "@output_format",
    }


def label_map(first: Config) -> Config:
    """Ids of what MONAI Label takes of photographs: one map, which ``first`` makes, columns first."""
    return {
        "label_map": [
            first,
            {"_target_": "SqueezeDimd", "keys": "pred", "dim": 0},
            {"_target_": "Transposed", "keys": "pred", "indices": [1, 0]},
            without_the_image("post_transforms: one map, columns first, and no image to fit it to"),
        ],
        "post_transforms": "$[*@postprocessing.transforms, *@label_map]",
    }
