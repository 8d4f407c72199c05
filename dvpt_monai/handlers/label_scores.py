"""The score of each label beside their mean."""

from __future__ import annotations

import logging
import math

from ignite.engine import Engine, Events
from torch import Tensor

from dvpt_monai.handlers.processes import first_process
from dvpt_monai.metrics import MeanOverLabels

__all__ = ["LabelScores"]

logger = logging.getLogger(__name__)


class LabelScores:
    """At the end of an evaluation, log the score of each label, and add all to the metrics for ``MetricsTable``.

    The metrics get ``<name>_<label>``, NaN for a label without a score, and ``labels_left_out``, the names of these.
    Attach it before the table.

    Args:
        metric: what the evaluator measures the mean with.
        name: of the score, such as ``"average_precision"``.

    Example:
        >>> import torch
        >>> from dvpt_monai.metrics import MeanAveragePrecision
        >>> metric = MeanAveragePrecision(["nodule", "edema"])
        >>> evaluator = Engine(lambda engine, batch: metric(*batch))
        >>> evaluator.state.metrics = {}
        >>> LabelScores(metric, "ap").attach(evaluator)
        >>> evaluator.run([(torch.tensor([[0.9, 0.1], [0.2, 0.3]]), torch.tensor([[1, 0], [0, 0]]))]).metrics
        {'ap_nodule': 1.0, 'ap_edema': nan, 'labels_left_out': 'edema'}
    """

    def __init__(self, metric: MeanOverLabels, name: str) -> None:
        self.metric = metric
        self.name = name

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Log and add them."""
        scores = self.metric.scores()  # of all processes: every one has to ask
        absent = [label for label, score in scores.items() if math.isnan(score)]
        engine.state.metrics |= {f"{self.name}_{label}": score for label, score in scores.items()}
        engine.state.metrics["labels_left_out"] = ", ".join(absent)
        if first_process():
            known = ", ".join(f"{label} {score:.3f}" for label, score in scores.items() if label not in absent)
            logger.info("%s of each label: %s", self.name, known or "none")
            if absent:
                logger.info("without a score, and left out of the mean: %s", ", ".join(absent))

    def reweighted(self, weights: Tensor) -> dict[str, Tensor]:
        """The same scores of weighted cases, **Shape** (resamples, cases) -> (resamples,) each."""
        return {f"{self.name}_{label}": values for label, values in self.metric.scores_reweighted(weights).items()}
