"""A local gate for bundles, as strict as the Model Zoo's: ``python -m dvpt_monai check-bundle bundles/<name>``."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dvpt_monai.errors import BundleError, reason
from dvpt_monai.ship.check import files, network, workflows
from dvpt_monai.ship.check.row import Failed, Row, Skipped, table
from dvpt_monai.ship.check.trial import Trial

__all__ = ["Row", "check_bundle", "table"]

Check = Callable[[Trial], str]

CHECKS: dict[str, tuple[Check, tuple[str, ...]]] = {
    "files": (files.files, ()),
    "name": (files.name, ()),
    "JSON": (files.json_files, ()),
    "large files": (files.large_files, ()),
    "metadata": (files.metadata, ("files", "JSON")),
    "metadata schema": (files.schema, ("files", "JSON")),
    "models/model.pt": (network.checkpoint, ("files", "JSON")),
    "network, train": (partial(network.in_out, config="train"), ("metadata",)),
    "network, inference": (partial(network.in_out, config="inference"), ("metadata",)),
    "properties, train": (lambda trial: workflows.properties(trial, "train"), ("files", "JSON")),
    "properties, evaluate": (lambda trial: workflows.properties(trial, "train", "evaluate"), ("files", "JSON")),
    "properties, inference": (lambda trial: workflows.properties(trial, "inference"), ("files", "JSON")),
    "TorchScript": (network.torchscript, ("models/model.pt", "network, inference")),
    "torch.export": (network.exported, ("models/model.pt", "network, inference")),
    "ONNX": (network.onnx, ("models/model.pt", "network, inference")),
    "2 processes, train": (lambda trial: workflows.two_processes(trial, "train", "multi_gpu_train"), ("files", "JSON")),
    "2 processes, evaluate": (
        lambda trial: workflows.two_processes(trial, "train", "evaluate", "multi_gpu_evaluate"),
        ("models/model.pt",),
    ),
}
"""Every row of the table: the check, and the rows without which it can say nothing."""


def check_bundle(
    folder: str | os.PathLike[str],
    dataset_dir: str | None = None,
    images: str | None = None,
    schema: str | None = None,
) -> list[Row]:
    """Check a bundle in a temporary copy; nothing is written into its folder.

    The expressions in its configs run: check what you trust.

    Args:
        folder: the bundle.
        dataset_dir: data to train on, where its own are not at hand.
        images: what to predict, likewise.
        schema: file with the JSON schema of the metadata, or ``"fetch"`` to download it once into the cache.

    Raises:
        BundleError: there is no bundle.
    """
    source = Path(folder).resolve()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="dvpt-check-") as home:
        given = {"dataset_dir": dataset_dir, "images": images, "schema": schema}
        trial = Trial.of(source, Path(home).resolve(), **given)
        progress = tqdm(CHECKS.items(), desc=f"Checking {source.name}", leave=False, disable=not sys.stderr.isatty())
        for title, (check, needs) in progress:
            progress.set_postfix_str(title)
            if progress.disable:  # a log needs a sign of life too
                print(f"{source.name}: {title} ...", file=sys.stderr, flush=True)
            waits = [row.check for row in rows if row.check in needs and row.result != "passed"]
            with _quiet(trial):
                rows.append(Row(title, "skipped", f"waits for {waits[0]}") if waits else _row(title, check, trial))
    return rows


def _row(title: str, check: Check, trial: Trial) -> Row:
    try:
        return Row(title, "passed", check(trial))
    except Skipped as outcome:
        return Row(title, "skipped", str(outcome), outcome.remedy)
    except Failed as outcome:
        return Row(title, "failed", _named(str(outcome), trial), outcome.remedy)
    except Exception as error:  # a bundle can raise anything
        remedy = "" if isinstance(error, BundleError) else "correct the config"
        return Row(title, "failed", _named(f"{type(error).__name__}: {reason(error)}", trial)[:400], remedy)


def _named(text: str, trial: Trial) -> str:
    """What was said of the copy, said of the bundle."""
    return text.replace(str(trial.root), str(trial.source))


@contextmanager
def _quiet(trial: Trial) -> Iterator[None]:
    """Without the logs of what is tried, with the bundle's own scripts importable, and no trace of either behind."""
    hook, path, level = sys.excepthook, list(sys.path), logging.root.manager.disable
    sys.path.insert(0, str(trial.root))
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        sys.path[:], sys.excepthook = path, hook
