"""``evaluate.json``: what differs from ``train.json``, behind which it is read, where test cases are scored."""

from __future__ import annotations

from dvpt_monai.recipes.answers import split_spread
from dvpt_monai.recipes.parts import (
    CHECK_PREDICTIONS,
    CHECK_TRAINED,
    CHECK_WRITABLE,
    TRAINED_FILES,
    as_trained,
    dataset,
    normalization,
    predictions_figure,
    progress,
    trained_weights,
    with_adapters,
)
from dvpt_monai.recipes.recipe import Config, Recipe

__all__ = ["evaluate"]


def evaluate(recipe: Recipe) -> list[Config]:
    """The paragraphs of a bundle's ``evaluate.json``."""
    return [
        {"+validate": {}},
        {
            "checkpoint": "$@models_dir + '/model.pt'",
            "adapter": None,
            "adapters": None,
            **TRAINED_FILES,
            **recipe.task.scored_at,
            **normalization(recipe),
            **as_trained(recipe, _trained_with(recipe)),
        },
        {"test_cases": _test_cases(recipe.cases.test_cases), **with_adapters(recipe.task), **_postprocessing(recipe)},
        {
            "validate#dataset": dataset("@test_cases", "@validate#preprocessing"),
            "validate#examples": "@validate#dataset",
            "validate#scores": _scores(recipe),
            "validate#handlers": [
                trained_weights(),
                CHECK_PREDICTIONS,
                progress("Test", _disabled_="$@rank > 0", persist=True),
                {"_target_": "dvpt_monai.handlers.MetricsLog", "_disabled_": "$@rank > 0"},
                "@validate#scores",
                *recipe.task.tables,
                predictions_figure(recipe, _disabled_="$@rank > 0"),
            ],
        },
        {
            "initialize": [
                {"_target_": "dvpt_monai.bundle.plain_errors"},
                {"_target_": "dvpt_monai.bundle.check_options"},
                "$@bundle_root",
                "$monai.utils.set_determinism(seed=@seed)",
            ],
            "evaluating": [
                CHECK_TRAINED,
                CHECK_WRITABLE,
                f"$print(len(@test_cases), {_tested(recipe)}, @note)",
                "$@validate#evaluator.run()",
                f"$print('Wrote {recipe.task.evaluated} to', @output_dir)",
            ],
            "run": "%evaluating",
        },
    ]


def _trained_with(recipe: Recipe) -> Config:
    """What ``train.json`` has of the network and its input."""
    images, network = recipe.images, recipe.network
    return dict(
        method=network.method,
        image_size=images.size,
        **recipe.task.ids,
        **images.reading,
        **images.ids,
        **network.reading,
        **network.ids,
    )


def _scores(recipe: Recipe) -> Config:
    """The handler that scores, and draws ``scores.png``."""
    dims = {"spatial_dims": recipe.images.dims} if recipe.task.kind == "segmentation" else {}
    return {**recipe.task.scores, **dims, "path": "$@output_dir + '/scores.png'", "note": "@note"}


def _postprocessing(recipe: Recipe) -> Config:
    """That of the training, behind what several adapters need."""
    if recipe.task.kind == "segmentation":
        return {}
    steps = [split_spread(), *recipe.task.scored]
    return {"validate#postprocessing": {"_target_": "Compose", "transforms": steps}}


def _test_cases(expression: str) -> Config:
    """What an evaluation reads: never what the training had."""
    return {
        "_target_": "dvpt_monai.data.recorded_test",
        "checkpoint": "@trained_files",
        "cases": f"${expression}",
    }


def _tested(recipe: Recipe) -> str:
    unit, name = recipe.images.unit, recipe.cases.test_list
    return f"'{unit} to test on, of', {name}" if name else f"'{unit} to test on.'"
