"""Ignite handlers that MONAI and Ignite lack: adapters in and out, clear restoring, curves, figures, tables."""

from dvpt_monai.handlers.adapter_loader import AdapterLoader
from dvpt_monai.handlers.adapter_saver import AdapterSaver
from dvpt_monai.handlers.aupr_table import AUPRTable
from dvpt_monai.handlers.averaged_weights import AveragedWeights
from dvpt_monai.handlers.cases_table import CasesTable
from dvpt_monai.handlers.checkpoint_loader import CheckpointLoader
from dvpt_monai.handlers.checkpoint_saver import CheckpointSaver
from dvpt_monai.handlers.class_scores import ClassScores
from dvpt_monai.handlers.classification_figure import ClassificationFigure
from dvpt_monai.handlers.curves import Curves
from dvpt_monai.handlers.figure import PredictionFigure
from dvpt_monai.handlers.finite import CheckPredictions, StopAtNonFinite
from dvpt_monai.handlers.gradient_clip import GradientClip
from dvpt_monai.handlers.label_scores import LabelScores
from dvpt_monai.handlers.labels_figure import LabelsFigure
from dvpt_monai.handlers.metrics_log import MetricsLog
from dvpt_monai.handlers.metrics_table import MetricsTable
from dvpt_monai.handlers.overlay_figure import OverlayFigure
from dvpt_monai.handlers.predictions_table import PredictionsTable
from dvpt_monai.handlers.progress_bar import ProgressBar
from dvpt_monai.handlers.resume import Resume
from dvpt_monai.handlers.segmentation_figure import SegmentationFigure
from dvpt_monai.handlers.structure_scores import StructureScores
from dvpt_monai.handlers.trained_weights import TrainedWeights

__all__ = [
    "AUPRTable",
    "AdapterLoader",
    "AdapterSaver",
    "AveragedWeights",
    "CasesTable",
    "CheckPredictions",
    "CheckpointLoader",
    "CheckpointSaver",
    "ClassScores",
    "ClassificationFigure",
    "Curves",
    "GradientClip",
    "LabelScores",
    "LabelsFigure",
    "MetricsLog",
    "MetricsTable",
    "OverlayFigure",
    "PredictionFigure",
    "PredictionsTable",
    "ProgressBar",
    "Resume",
    "SegmentationFigure",
    "StopAtNonFinite",
    "StructureScores",
    "TrainedWeights",
]
