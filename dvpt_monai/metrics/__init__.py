"""Metrics that MONAI lacks, right also where several processes share the cases unequally; intervals of all of them."""

from dvpt_monai.metrics.accuracy import Accuracy
from dvpt_monai.metrics.aupr import PixelAUPR, aupr_bounds, aupr_interval, average_precision
from dvpt_monai.metrics.bootstrap import Interval, interval, resample
from dvpt_monai.metrics.kappa import Kappa, QuadraticKappa
from dvpt_monai.metrics.labels import MeanAUC, MeanAveragePrecision, MeanOverLabels
from dvpt_monai.metrics.reweighted import reweighted

__all__ = [
    "Accuracy",
    "Interval",
    "Kappa",
    "MeanAUC",
    "MeanAveragePrecision",
    "MeanOverLabels",
    "PixelAUPR",
    "QuadraticKappa",
    "aupr_bounds",
    "aupr_interval",
    "average_precision",
    "interval",
    "resample",
    "reweighted",
]
