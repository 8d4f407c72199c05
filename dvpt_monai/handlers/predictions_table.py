"""What a classifier said of each image."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from dvpt_monai.data.source import source_of
from dvpt_monai.handlers.processes import first_process, gather, in_order
from dvpt_monai.whole_file import whole_file

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

    Example:
        >>> import tempfile, torch
        >>> from monai.data import MetaTensor
        >>> image = MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": "/data/a.png"})
        >>> case = {"image": image, "label": torch.tensor(1)}
        >>> said = {"pred": torch.tensor([1]), "probability": torch.tensor([0.25, 0.75])}
        >>> def step(engine, batch):
        ...     engine.state.batch = batch
        ...     return [said]
        >>> evaluator = Engine(step)
        >>> with tempfile.TemporaryDirectory() as home:
        ...     PredictionsTable(Path(home, "predictions.csv"), root="/data").attach(evaluator)
        ...     _ = evaluator.run([[case]])
        ...     print(Path(home, "predictions.csv").read_text())
        image,label,prediction,probability_0,probability_1
        a.png,1,1,0.25000,0.75000
        <BLANKLINE>
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        probability: str = "probability",
        labels: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        if labels is not None and classes is not None:
            raise ValueError("labels are of images with several, classes of images with one; give one of them")
        self.path = Path(path)
        self.root = None if root is None else (Path(root).parent if Path(root).is_file() else Path(root))
        self.probability = probability
        self.labels = labels
        self.classes = classes
        self._rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the file."""
        rows = in_order(gather(self._rows))
        if not first_process():
            return
        with whole_file(self.path) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["image"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def _begin(self, engine: Engine) -> None:
        self._rows = []

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        output: Any = engine.state.output
        for case, said in zip(batch, output, strict=True):
            row: dict[str, Any] = {"image": self._name(case[CommonKeys.IMAGE])}
            row |= self._one(case, said) if self.labels is None else self._several(self.labels, case, said)
            self._rows.append(row)

    def _one(self, case: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"label": int(case[CommonKeys.LABEL])} if CommonKeys.LABEL in case else {}
        row["prediction"] = number = int(said[CommonKeys.PRED])
        chances = said[self.probability].flatten()
        names = range(len(chances)) if self.classes is None else self.classes
        columns = {f"probability_{name}": f"{float(p):.5f}" for name, p in zip(names, chances, strict=True)}
        return row | ({} if self.classes is None else {"predicted_class": self.classes[number]}) | columns

    def _several(self, names: Sequence[str], case: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
        truth = zip(names, case[CommonKeys.LABEL], strict=True) if CommonKeys.LABEL in case else ()
        chances = zip(names, said[self.probability].flatten(), strict=True)
        row: dict[str, Any] = {f"label_{name}": int(value) for name, value in truth}
        # Significant digits: labels are ranked by probabilities that are all small where the label is rare.
        return row | {f"probability_{name}": f"{float(p):.6g}" for name, p in chances}

    def _name(self, image: Any) -> str:
        name = source_of(image, unknown="")
        path = Path(name)
        if self.root is not None and name and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return name
