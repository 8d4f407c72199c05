"""How a training starts, and how it goes on where it was killed."""

from __future__ import annotations

from dvpt_monai.recipes.parts import CHECK_WRITABLE
from dvpt_monai.recipes.recipe import Config

__all__ = ["LOCK", "RESUMPTION", "STARTING", "run"]

LOCK = "$bundle.lock(@models_dir, @rank)"
"""The first thing that a training does: a folder that it cannot have is found before anything is loaded."""
STARTING = (
    "$@resumption.attach(@train#trainer)",
    {
        "_target_": "dvpt_monai.data.write_parts",
        "_disabled_": "$@rank > 0",
        "models_dir": "@models_dir",
        "training": "@train#dataset#data",
        "validation": "@validate#dataset#data",
        "seed": "@seed",
    },
    "$@feature_cache.fill()",
)
"""What a training does before its first step, in each of its processes; it writes once all of it is built."""
RESUMPTION: Config = {
    "_target_": "dvpt_monai.handlers.Resume",
    "folder": "$@models_dir + '/resume'",
    "network": "@network",
    "optimizer": "@optimizer",
    "lr_scheduler": "@lr_scheduler",
    "evaluator": "@validate#evaluator",
    "handlers": "$[*@train#handlers, *@validate#handlers]",
    "cases": "@train#dataset#data",
    "settings": {
        "seed": "@seed",
        "batch_size": "@batch_size",
        "learning_rate": "@learning_rate",
        "head_learning_rate": "@head_learning_rate",
        "precision": "@precision",
        "frozen_dtype": "$@frozen_dtype if @frozen_dtype != 'float32' else None",
        "cache_features": "$@feature_cache.views or None",
        "cache_dtype": "$@cache_dtype if @feature_cache.views else None",
        "ema": "@ema",
    },
    "resume": "@resume",
}
"""What goes on where a training was killed; it is attached last, as what others do in a step belongs to its state."""


def run(unit: str) -> Config:
    """The end of a ``train.json``: what runs, in its order.

    Args:
        unit: what messages count.
    """
    return {
        "counts": "$data.count_parts(@train#dataset#data, @validate#dataset#data)",
        "initialize": [
            "$bundle.plain_errors()",
            "$bundle.check_options()",
            "$@bundle_root",
            "$monai.utils.set_determinism(seed=@seed)",
        ],
        "training": [
            LOCK,
            CHECK_WRITABLE,
            f"$print(@counts[0], '{unit} to train on,', @counts[1], 'to validate on.', @note)",
            "$print(dvpt_monai.report(@network))",
            "$bundle.warn_of_replacing(@models_dir, @resume)",
            *STARTING,
            "$@train#trainer.run()",
            "$print('Wrote the best network and adapter to', @models_dir, 'and the curves to', @output_dir)",
        ],
        "run": "%training",
    }
