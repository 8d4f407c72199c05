"""The engine of every inference: a case that cannot be predicted is named and left out, and the others go on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import torch
from ignite.engine import Engine
from monai.data import decollate_batch, list_data_collate
from monai.engines import SupervisedEvaluator
from monai.engines.utils import engine_apply_transform
from monai.inferers import Inferer
from monai.utils import CommonKeys
from torch import Tensor, nn

from dvpt_monai.bundle_files import LEDGER
from dvpt_monai.errors import PredictionError
from dvpt_monai.handlers import PredictionsTable
from dvpt_monai.predict.alone import alone
from dvpt_monai.predict.answer import check_finite
from dvpt_monai.predict.case_loader import CaseLoader, Failed, Loaded, in_words, input_hash
from dvpt_monai.predict.ledger import Ledger, Record
from dvpt_monai.predict.whole_volume import WholeVolume
from dvpt_monai.sha256 import sha256_of
from dvpt_monai.system_memory import free_memory, peak_memory, reset_peak
from dvpt_monai.version import __version__
from dvpt_monai.whole_file import remove_parts

__all__ = ["Predictor"]

logger = logging.getLogger(__name__)
LISTED = 10
"""Cases that the last line of a prediction names."""


class Predictor(SupervisedEvaluator):
    """Predict cases, of which each is written or reported, and none that was written before.

    ``cases.jsonl`` in the folder of the outputs says what became of each: see `Record`. A further run predicts what is
    missing there, what failed, and what has changed since: the image, the weights, a setting, a version, the output.

    Args:
        device: of the network.
        val_data_loader: the cases.
        network: what predicts.
        output_dir: folder of the outputs.
        weights: file of the network's weights, or files.
        settings: whatever else the outputs depend on, by name.
        inferer: how the network is called.
        postprocessing: of a prediction; its last step may write it. A step with a method ``expect`` is told all images
            before the first is predicted, and says the folders that it writes to.
        table: writes the answers of classification.
        memory: GiB that predicting an image may take; by default what is free.
        root: the folder that was searched for the images: what is written keeps their path in it. A file is none.
        options: further ones of MONAI's ``SupervisedEvaluator``.
    """

    def __init__(
        self,
        device: torch.device | str,
        val_data_loader: CaseLoader,
        network: nn.Module,
        output_dir: str | os.PathLike[str],
        weights: str | os.PathLike[str] | Sequence[str],
        settings: Mapping[str, Any] | None = None,
        inferer: Inferer | None = None,
        postprocessing: Any = None,
        table: PredictionsTable | None = None,
        memory: float | None = None,
        root: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        device = torch.device(device)
        super().__init__(device, val_data_loader, network, inferer=inferer, decollate=False, **options)
        self.loader = val_data_loader
        self.output_dir = Path(output_dir)
        self.weights = [os.fspath(weights)] if isinstance(weights, (str, os.PathLike)) else list(weights)
        self.settings = dict(settings or {})
        self.answer_steps = postprocessing
        self.table = table
        self.memory = memory
        self.root = root if root is not None and os.path.isdir(root) else None
        self.whole_volume = WholeVolume(self.inferer, network, device, postprocessing)
        self.done: list[str] = []
        self.failed: dict[str, str] = {}

    def run(self, global_epoch: int = 1) -> None:  # type: ignore[override]
        """Predict what is missing, and write the table of all.

        Raises:
            PredictionError: another prediction writes into the folder of the outputs, or nobody may.
        """
        with alone(self.output_dir):
            self._run(global_epoch)

    def _run(self, global_epoch: int) -> None:
        images = [_name(case) for case in self.loader.cases]
        places = {self.output_dir}
        for step in getattr(self.answer_steps, "transforms", ()):
            if hasattr(step, "expect"):
                places |= step.expect([case[CommonKeys.IMAGE] for case in self.loader.cases], self.root)
        for place in places:
            remove_parts(place)  # of a prediction that was killed
        self.ledger, self.identity = Ledger(self.output_dir / LEDGER), self._identity()
        self.done, self.failed = [], {}
        self.limit = free_memory() if self.memory is None else self.memory
        missing = [number for number, image in enumerate(images) if not self._written(number, image)]
        if len(missing) < len(images):
            logger.info("%d of %d were predicted before and stay as they are", len(images) - len(missing), len(images))
        if self.limit is not None:
            logger.info("Of the memory %.1f GiB may be taken; --memory sets it", self.limit)
        self.loader.choose(missing)
        if missing:
            self.state.epoch_length = len(self.loader)
            super().run(global_epoch)
        if self.table is not None:
            self.table.write(self.ledger.rows(images))

    def check(self) -> None:
        """Say which cases failed, if any did.

        Raises:
            PredictionError: names them, and why.
        """
        if not self.failed:
            return
        reasons = list(self.failed.values())
        more = f"; and {len(reasons) - LISTED} more" if len(reasons) > LISTED else ""
        cases = "; ".join(reasons[:LISTED])
        raise PredictionError(
            f"{len(reasons)} of {len(self.loader.cases)} cases failed, all others are predicted: {cases}{more}. "
            f"{self.ledger.path} has all of them; correct them and run it again, which predicts what is missing"
        )

    def _identity(self) -> str:
        """The hash of what the outputs depend on beside the image."""
        weights = [sha256_of(path) if os.path.isfile(path) else path for path in self.weights]
        versions = [__version__, monai.__version__, torch.__version__]
        text = json.dumps([weights, versions, self.settings], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _written(self, number: int, image: str) -> bool:
        known = image in self.ledger.records
        return known and self.ledger.holds(image, input_hash(self.loader.cases[number]), self.identity)

    def _iteration(self, engine: Engine, batchdata: Sequence[Loaded | Failed]) -> list[Any]:  # type: ignore[override]
        reset_peak()
        for item in batchdata:
            if isinstance(item, Failed):
                self._record_failure(item, item.reason)
        ready = [item for item in batchdata if isinstance(item, Loaded)]
        finished = self._predicted(ready)
        state: Any = engine.state
        state.batch, state.output = [case for case, _ in finished], [output for _, output in finished]
        answers: list[Any] = state.output
        return answers

    def _predicted(self, items: list[Loaded]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The cases and their answers; those that fail are recorded, and leave the others alone."""
        if not items:
            return []
        start = time.perf_counter()
        try:
            answers = self._answers(items)
        except Exception as error:  # of the network: of one case in the batch, or of all
            if len(items) > 1:
                return [finished for item in items for finished in self._predicted([item])]
            self._record_failure(items[0], in_words(error))
            return []
        share = (time.perf_counter() - start) / len(items)
        finished = []
        for item, (case, output) in zip(items, answers, strict=True):
            start = time.perf_counter()
            try:
                case, output = self._finished(case, output)
                row = None if self.table is None else self.table.row(case, output)
            except Exception as error:  # of the postprocessing: of this case
                self._record_failure(item, in_words(error))
                continue
            self._record_success(item, output, row, item.seconds + share + time.perf_counter() - start)
            finished.append((case, output))
        return finished

    def _answers(self, items: list[Loaded]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        if len(items) == 1 and isinstance(case := items[0].case, dict):
            labels = self.whole_volume(case[CommonKeys.IMAGE], self.limit)
            if labels is not None:
                return [(case, {CommonKeys.PRED: labels, "decided": True})]
        batch: Any = list_data_collate([item.case for item in items])
        output = super()._iteration(self, batch)
        return list(zip(decollate_batch(batch), decollate_batch(output), strict=True))

    def _finished(self, case: dict[str, Any], output: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The case after the postprocessing, which a volume that was predicted in slabs has begun already."""
        if output.pop("decided", False):
            for step in self.whole_volume.rest:
                case, output = engine_apply_transform(case, output, step)
            return case, output
        check_finite(output[CommonKeys.PRED], _name(case))
        if self.answer_steps is not None:
            case, output = engine_apply_transform(case, output, self.answer_steps)
        return case, output

    def _record_success(self, item: Loaded, output: Mapping[str, Any], row: Any, seconds: float) -> None:
        image = _name(self.loader.cases[item.number])
        paths = getattr(output[CommonKeys.PRED], "meta", {}).get("saved_to", ())
        record = Record(
            image=image,
            status="done",
            input=item.input,
            outputs={path: sha256_of(path) for path in paths},
            row=row,
            network=self.identity,
            seconds=round(seconds, 3),
            peak_memory=_rounded(peak_memory()),
        )
        self.ledger.append(record)
        self.done.append(image)

    def _record_failure(self, item: Loaded | Failed, reason: str) -> None:
        image = _name(self.loader.cases[item.number])
        reason = reason if image in reason else f"{image}: {reason}"
        logger.warning("%s", reason)
        self.failed[image] = reason
        self.ledger.append(
            Record(
                image=image,
                status="failed",
                reason=reason,
                input=item.input,
                network=self.identity,
                seconds=round(item.seconds, 3),
                peak_memory=_rounded(peak_memory()),
            )
        )


def _name(case: Mapping[str, Any]) -> str:
    """The image of a case: its file, its folder, or the first of its files."""
    image = case[CommonKeys.IMAGE]
    if isinstance(image, Tensor):
        return str(getattr(image, "meta", {}).get("filename_or_obj", "image"))
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else os.fspath(image[0])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
