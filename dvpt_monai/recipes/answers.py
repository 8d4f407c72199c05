"""What becomes of a network's answer: transforms that decide, metrics that score, handlers that write."""

from __future__ import annotations

from typing import Any

from dvpt_monai.recipes.recipe import Config

__all__ = [
    "above_threshold",
    "accuracy",
    "activation",
    "cases_table",
    "class_scores",
    "copy",
    "dice",
    "figure",
    "grade",
    "highest",
    "invert",
    "kappa",
    "metric",
    "metrics_table",
    "onehot",
    "predictions_table",
    "split_spread",
    "structure_scores",
    "without_the_image",
]


def activation(name: str) -> Config:
    """Logits become probabilities: ``softmax`` where one class is right, ``sigmoid`` where several may be."""
    return {"_target_": "Activationsd", "keys": "pred", name: True}


def split_spread() -> Config:
    """Of several adapters, what they say in the mean, and how far they are apart."""
    return {"_target_": "dvpt_monai.transforms.SplitSpreadd", "_disabled_": "$not @adapters", "keys": "pred"}


def copy(key: str, name: str) -> Config:
    """What is there now, under another name."""
    return {"_target_": "CopyItemsd", "keys": key, "names": name}


def onehot(key: str) -> Config:
    """A number as a channel for each class."""
    return {"_target_": "AsDiscreted", "keys": key, "to_onehot": "@num_classes"}


def highest() -> Config:
    """The class of the highest probability."""
    return {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}


def grade() -> Config:
    """The class by ``decision``: of the highest probability, or the expected one where classes have an order."""
    return {"_target_": "dvpt_monai.transforms.DecideGraded", "keys": "pred", "decision": "@decision"}


def above_threshold() -> Config:
    """Each label that is more probable than ``threshold``."""
    return {"_target_": "AsDiscreted", "keys": "pred", "threshold": "@threshold"}


def invert() -> Config:
    """Back into the grid of the file."""
    return {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": False,
        "to_tensor": True,
    }


def without_the_image(reason: str) -> Config:
    """The end of what MONAI Label takes, which would fit a prediction to an image that is still there."""
    return {
        "_target_": "DeleteItemsd",
        "_desc_": f"MONAI Label takes {reason}",
        "keys": ["image", "image_meta_dict"],
    }


def outputs(*keys: str) -> str:
    """What a metric reads of an engine."""
    return f"$monai.handlers.from_engine({[*keys]})"


def metric(function: Config | str, key: str, label: str = "label") -> Config:
    """A metric of MONAI's kind as a handler, of what stands under these keys."""
    return {"_target_": "IgniteMetricHandler", "metric_fn": function, "output_transform": outputs(key, label)}


def kappa(kind: str) -> Config:
    """Agreement beyond chance: ``Kappa``, or ``QuadraticKappa`` where classes have an order."""
    return metric({"_target_": f"dvpt_monai.metrics.{kind}", "num_classes": "@num_classes"}, "pred")


def accuracy() -> Config:
    """The share of right answers."""
    return metric({"_target_": "dvpt_monai.metrics.Accuracy"}, "pred")


def dice(**options: Any) -> Config:
    """Dice, of each case and structure, in the mean; or by ``names``."""
    return metric({"_target_": "dvpt_monai.metrics.Dice", **options}, "pred")


def metrics_table(**facts: str) -> Config:
    """``metrics.csv`` and ``metrics.json``; ``facts`` say what else they rest on."""
    return {
        "_target_": "dvpt_monai.handlers.MetricsTable",
        "output_dir": "@output_dir",
        "dataset_dir": "@dataset_dir",
        "phantom": "@phantom",
        **({"facts": facts} if facts else {}),
    }


def predictions_table(root: str = "@dataset_dir", **names: str) -> Config:
    """``predictions.csv``: every image, below ``root``, with its probabilities; ``names`` are those of its columns."""
    path = "$@output_dir + '/predictions.csv'"
    return {"_target_": "dvpt_monai.handlers.PredictionsTable", "path": path, "root": root, **names}


def cases_table() -> Config:
    """``cases.csv``: scores and volumes of every case and structure."""
    path = "$@output_dir + '/cases.csv'"
    return {
        "_target_": "dvpt_monai.handlers.CasesTable",
        "path": path,
        "metric": "structures",
        "columns": "$@validate#scores.columns",
    }


def class_scores(**names: str) -> Config:
    """Ranking, thresholds and calibration of each class; ``names`` are those of ``classes`` or ``labels``."""
    return {
        "_target_": "dvpt_monai.handlers.ClassScores",
        **(names or {"classes": "@num_classes"}),
        "operating_point": "@operating_point",
    }


def structure_scores() -> Config:
    """Overlap, distances, volumes and detections of each structure."""
    return {
        "_target_": "dvpt_monai.handlers.StructureScores",
        "structures": "@structures",
        "tolerance": "@surface_tolerance",
    }


def figure(kind: str, **options: Any) -> Config:
    """A figure of predictions; ``kind`` is a class of :mod:`dvpt_monai.handlers`."""
    return {"_target_": f"dvpt_monai.handlers.{kind}", **options}
