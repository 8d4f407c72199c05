"""The prediction for each image, with all probabilities."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.handlers.processes import first_process, gather, in_order
from dvpt_monai.tables import write_table

__all__ = ["PredictionsTable"]


class PredictionsTable:
    """Write one row for each image: its path, the truth where it is known, the prediction, all probabilities.

    MONAI's ``ClassificationSaver`` writes neither a header nor the truth.

    Args:
        path: the CSV file.
        root: image paths below this folder are written relative to it; it may be a file in that folder.
        probability: key of the probabilities in the evaluator's output.
        labels: names, where an image has several labels at once: the columns are then ``label_<name>``, 0 or 1 where
            the truth is known, and ``probability_<name>``.
        classes: names by number, where an image has one class: the columns are then ``probability_<name>``, and
            ``predicted_class`` beside the number.
        spread: key of the standard deviation of each probability, where several networks predict; the columns are then
            ``spread_<name>``.

    Example:
        >>> import tempfile, torch
        >>> from monai.data import MetaTensor
        >>> image = MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": "/data/a.png"})
        >>> case = {"image": image, "label": torch.tensor(1)}
        >>> output = {"pred": torch.tensor([1]), "probability": torch.tensor([0.25, 0.75])}
        >>> def step(engine, batch):
        ...     engine.state.batch = batch
        ...     return [output]
        >>> evaluator = Engine(step)
        >>> with tempfile.TemporaryDirectory() as home:
        ...     PredictionsTable(Path(home, "predictions.csv"), root="/data").attach(evaluator)
        ...     _ = evaluator.run([[case]])
        ...     print(Path(home, "predictions.csv").read_text())
        image,label,prediction,probability_0,probability_1
        a.png,1,1,0.25,0.75
        <BLANKLINE>
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        probability: str = "probability",
        labels: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        spread: str = "spread",
    ) -> None:
        if labels is not None and classes is not None:
            raise DataError("labels are of images with several, classes of images with one; give one of them")
        self.path = Path(path)
        self.root = None if root is None else (Path(root).parent if Path(root).is_file() else Path(root))
        self.probability = probability
        self.labels = labels
        self.classes = classes
        self.spread = spread
        self._rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the file."""
        rows = in_order(gather(self._rows))
        if first_process():
            self.write(rows)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write these rows, whole or not at all."""
        write_table(self.path, rows, None if rows else ["image"])

    def row(self, case: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
        """The row of a case."""
        name = self._name(case[CommonKeys.IMAGE])
        answers = self._one(case, output) if self.labels is None else self._several(self.labels, case, output)
        return {"image": name, **answers, **self._spread(output)}

    def _begin(self, engine: Engine) -> None:
        self._rows = []

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        outputs: Any = engine.state.output
        self._rows += [self.row(case, output) for case, output in zip(batch, outputs, strict=True)]

    def _one(self, case: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"label": int(case[CommonKeys.LABEL])} if CommonKeys.LABEL in case else {}
        row["prediction"] = number = int(output[CommonKeys.PRED])
        probabilities = output[self.probability].flatten()
        names = range(len(probabilities)) if self.classes is None else self.classes
        columns = {f"probability_{name}": float(p) for name, p in zip(names, probabilities, strict=True)}
        return row | ({} if self.classes is None else {"predicted_class": self.classes[number]}) | columns

    def _several(self, names: Sequence[str], case: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
        truth = zip(names, case[CommonKeys.LABEL], strict=True) if CommonKeys.LABEL in case else ()
        probabilities = zip(names, output[self.probability].flatten(), strict=True)
        row: dict[str, Any] = {f"label_{name}": int(value) for name, value in truth}
        return row | {f"probability_{name}": float(p) for name, p in probabilities}

    def _spread(self, output: dict[str, Any]) -> dict[str, float]:
        """How far the members of an ensemble are apart, where there is one."""
        if self.spread not in output:
            return {}
        values = output[self.spread].flatten()
        names = self.labels or self.classes or range(len(values))
        return {f"spread_{name}": float(value) for name, value in zip(names, values, strict=True)}

    def _name(self, image: Any) -> str:
        name = source_of(image, unknown="")
        path = Path(name)
        if self.root is not None and name and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return name
