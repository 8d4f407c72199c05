"""A bundle's ``inferring`` on images, from a command or a program."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dvpt_monai.errors import BundleError, DvptError, reason

__all__ = ["run"]


def run(
    bundle: str | os.PathLike[str], source: str | os.PathLike[str], output: str | os.PathLike[str], **settings: Any
) -> None:
    """Predict images by a bundle.

    Args:
        bundle: its folder.
        source: a folder of images, an image, the folder of a series, or a list of them.
        output: folder of the predictions, and of ``cases.jsonl``, which says what became of each.
        settings: ids of ``inference.json``; those that are ``None`` stay as they are.

    Raises:
        BundleError: it is no bundle, one of an earlier release, or has no such settings.
        PredictionError: some cases failed; all others are predicted.
    """
    import monai.bundle

    config = Path(bundle, "configs", "inference.json")
    given = {name: value for name, value in settings.items() if value is not None}
    _check(config, given)
    try:
        monai.bundle.run(
            run_id="inferring",
            config_file=str(config),
            dataset_dir=os.path.abspath(source),
            output_dir=os.path.abspath(output),
            **given,
        )
    except Exception as error:
        first = reason(error)
        if isinstance(first, DvptError):
            raise first from None
        raise


def _check(config: Path, given: dict[str, Any]) -> None:
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{config}: cannot be read ({error}); --bundle is a bundle's folder") from error
    if content.get("evaluator", {}).get("_target_") != "dvpt_monai.predict.Predictor":
        raise BundleError(
            f"{config}: its evaluator is no dvpt_monai.predict.Predictor; make the bundle anew with init, or run "
            f"python -m monai.bundle run inferring --config_file {config}"
        )
    unknown = [name for name in given if name not in content]
    if unknown:
        raise BundleError(f"--{unknown[0].replace('_', '-')}: this bundle has no such setting; leave it out")
