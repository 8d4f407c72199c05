"""The best adapter of a training, beside the checkpoint."""

from __future__ import annotations

import logging
import math
import os
import warnings
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import nn

from dvpt_monai.metrics import rank
from dvpt_monai.tuning import save_adapter
from dvpt_monai.tuning.header import as_settings_and_result

__all__ = ["AdapterSaver"]

logger = logging.getLogger(__name__)


class AdapterSaver:
    """Save the adapter whenever the key metric of an evaluator is as good as never before.

    The metric and its epoch go into the file's header with the result. Of equal values the later counts, which trained
    longer; MONAI's ``CheckpointSaver`` does the same with ``key_metric_greater_or_equal``. A metric without a value
    (NaN) is worse than any: it replaces only an adapter that no value chose. The file is never half-written.

    Args:
        network: a tuned network.
        path: the file, by custom ``*.safetensors``.
        key_metric: name of the metric; None takes the evaluator's own key metric.
        settings: what the network has to be built and fed with, any JSON-ready values, for the file's header.
        result: what else came of the training than the metric, likewise.
        task: the former name of both together; deprecated.

    Raises:
        TuningError: when the network is not tuned.
        KeyError: when the evaluator has no such metric.

    Example:
        >>> import tempfile
        >>> from dvpt_monai import DVPT, ViTClassifier, read_header, tune
        >>> net = tune(ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
        ...                          num_layers=1, num_heads=1), DVPT())
        >>> evaluator = Engine(lambda engine, batch: None)
        >>> evaluator.state.metrics = {"accuracy": 0.9}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     path = Path(home, "adapter.safetensors")
        ...     AdapterSaver(net, path, key_metric="accuracy").attach(evaluator)
        ...     _ = evaluator.run([0])
        ...     print(read_header(path)["result"])
        {'metric': 'accuracy', 'value': 0.9, 'epoch': 1}
    """

    def __init__(
        self,
        network: nn.Module,
        path: str | os.PathLike[str],
        key_metric: str | None = None,
        settings: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        task: dict[str, Any] | None = None,
    ) -> None:
        if task is not None:
            warnings.warn("AdapterSaver: task= is now settings= and result=", DeprecationWarning, stacklevel=2)
            old_settings, old_result = as_settings_and_result(task)
            settings, result = {**old_settings, **(settings or {})}, {**old_result, **(result or {})}
        self.network = network
        self.path = Path(path)
        self.key_metric = key_metric
        self.settings = dict(settings or {})
        self.result = dict(result or {})
        self.best: float | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save, if the metric is the best so far."""
        name = self.key_metric or str(getattr(engine.state, "key_metric_name", None))
        if name not in engine.state.metrics:
            raise KeyError(f"AdapterSaver: no metric {name!r}; the evaluator has {sorted(engine.state.metrics)}")
        value = float(engine.state.metrics[name])
        if self.best is not None and rank(value) < self.best:
            return
        scored = {"metric": name, "value": value if math.isfinite(value) else None, "epoch": engine.state.epoch}
        save_adapter(self.network, self.path, self.settings, {**self.result, **scored})
        self.best = rank(value)
        logger.info("Kept the adapter of epoch %d, %s %.4g", engine.state.epoch, name.replace("_", " "), value)

    def state_dict(self) -> dict[str, float | None]:
        """The best value so far, for a training that goes on later."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, float | None]) -> None:
        """Take up the best value of :meth:`state_dict`."""
        self.best = state_dict["best"]
