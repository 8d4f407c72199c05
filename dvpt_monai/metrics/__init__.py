"""Metrics that MONAI lacks, right also where several processes share the cases unequally; intervals of all of them."""

from dvpt_monai.metrics.accuracy import Accuracy
from dvpt_monai.metrics.aupr import PixelAUPR, aupr_bounds, aupr_interval, average_precision
from dvpt_monai.metrics.bootstrap import Interval, interval, resample
from dvpt_monai.metrics.choice import better, rank
from dvpt_monai.metrics.classes import ClassMeasures, Measured
from dvpt_monai.metrics.dice import Dice
from dvpt_monai.metrics.kappa import Kappa, QuadraticKappa
from dvpt_monai.metrics.labels import MeanAUC, MeanAveragePrecision, MeanOverLabels
from dvpt_monai.metrics.names import metric_names
from dvpt_monai.metrics.reweighted import Reweighted, reweighted
from dvpt_monai.metrics.structure_scores import StructureMeasures
from dvpt_monai.metrics.structures import measure_structures

__all__ = [
    "Accuracy",
    "ClassMeasures",
    "Dice",
    "Interval",
    "Kappa",
    "MeanAUC",
    "MeanAveragePrecision",
    "MeanOverLabels",
    "Measured",
    "PixelAUPR",
    "QuadraticKappa",
    "Reweighted",
    "StructureMeasures",
    "aupr_bounds",
    "aupr_interval",
    "average_precision",
    "better",
    "interval",
    "measure_structures",
    "metric_names",
    "rank",
    "resample",
    "reweighted",
]
