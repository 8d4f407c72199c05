"""The metrics of an evaluation in the log."""

from __future__ import annotations

import logging

from ignite.engine import Engine, Events
from monai.utils import is_scalar

__all__ = ["MetricsLog"]

logger = logging.getLogger(__name__)


class MetricsLog:
    """At the end of an evaluation, log its metrics in one line, the key metric first.

    MONAI's ``StatsHandler`` is made for validations during a training: it adds the best value so far and its epoch,
    which of a single evaluation are that value and 1.

    Example:
        >>> evaluator = Engine(lambda engine, batch: None)
        >>> evaluator.state.metrics = {"accuracy": 0.5}
        >>> MetricsLog().attach(evaluator)
        >>> _ = evaluator.run([0])
    """

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Log them."""
        key = getattr(engine.state, "key_metric_name", None)
        shown = {name: value for name, value in engine.state.metrics.items() if not isinstance(value, str)}
        metrics = {name: float(value) for name, value in shown.items() if is_scalar(value)}
        ordered = sorted(metrics, key=lambda name: (name != key, name))
        logger.info("Metrics: %s", ", ".join(f"{name} {metrics[name]:.4f}" for name in ordered))
