"""Metrics that MONAI lacks, right also where several processes share the cases unequally."""

from dvpt_monai.metrics.aupr import PixelAUPR, aupr_bounds, aupr_interval, average_precision
from dvpt_monai.metrics.kappa import Kappa, QuadraticKappa
from dvpt_monai.metrics.labels import MeanAUC, MeanAveragePrecision, MeanOverLabels

__all__ = [
    "Kappa",
    "MeanAUC",
    "MeanAveragePrecision",
    "MeanOverLabels",
    "PixelAUPR",
    "QuadraticKappa",
    "aupr_bounds",
    "aupr_interval",
    "average_precision",
]
