"""``inference.json``: images without labels, the trained network, and what it says of them."""

from __future__ import annotations

from dvpt_monai.recipes.parts import (
    CHECK_TRAINED,
    CHECK_WRITABLE,
    DEVICE,
    OPENING,
    TRAINED_FILES,
    as_trained,
    dataset,
    network_def,
    network_ids,
    normalization,
    normalize,
    predictions_figure,
    progress,
    settings,
    trained_weights,
    whole_images,
    with_adapters,
    without_labels,
)
from dvpt_monai.recipes.recipe import Config, Recipe

__all__ = ["inference"]


def inference(recipe: Recipe) -> list[Config]:
    """The paragraphs of a bundle's ``inference.json``."""
    images, network, task = recipe.images, recipe.network, recipe.task
    changed = _changed(recipe)
    built = dict(**network.reading, **network_ids(network))
    seen = dict(**task.ids, **images.reading, **images.ids, **normalization(recipe), **images.normalized)
    return [
        OPENING,
        changed | as_trained(recipe, changed),
        TRAINED_FILES,
        seen | as_trained(recipe, seen),
        built | as_trained(recipe, built),
        {
            "workers": 0,
            "memory": None,
            "suffixes": images.suffixes,
            "cases": _cases(recipe),
            "note": f"$'PHANTOM DATA: generated {images.unit}, not patients' if bundle.shows_phantoms(@cases) else ''",
        },
        {
            "settings": settings(recipe, changed, seen, built),
            "depends": _depends(recipe, dict(**seen, **network.reading)),
        },
        _data(recipe),
        {
            "backbone": network.build,
            "network_def": {"_target_": "dvpt_monai.bundle.checks_weights", "network": network_def("@backbone")},
            **with_adapters(task),
            "inferer": whole_images(task, "@batch_size"),
        },
        _answer(recipe),
        {
            "initialize": [
                "$bundle.plain_errors()",
                "$bundle.check_options()",
                CHECK_TRAINED,
                "$@bundle_root",
            ],
            "inferring": [
                CHECK_WRITABLE,
                f"$print(len(@cases), '{images.unit} to predict from', @dataset_dir, @note)",
                "$@evaluator.run()",
                f"$print('Wrote', {task.predictions})",
                "$@evaluator.check()",
            ],
            "run": "%inferring",
        },
    ]


def _cases(recipe: Recipe) -> str:
    """The images of a folder or a list; of a volume in DICOM the folder is one."""
    if recipe.images.endings:
        return f"$bundle.find_channels(@dataset_dir, {[*recipe.images.endings]}, @suffixes)"
    series = ", series=True" if recipe.images.dims == 3 else ""
    masks = ", masks=@structures" if recipe.task.kind == "segmentation" else ""
    return f"$bundle.find_images(@dataset_dir, @suffixes{series}{masks})"


def _changed(recipe: Recipe) -> Config:
    """What people change, most often on the command line."""
    return {
        "dataset_dir": recipe.cases.to_predict,
        "output_dir": "$@bundle_root + '/output/inference'",
        **recipe.task.output,
        "checkpoint": "$@bundle_root + '/models/model.pt'",
        "adapter": None,
        "adapters": None,
        "backbone_weights": recipe.network.weights,
        "method": recipe.network.method,
        "image_size": recipe.images.size,
        "batch_size": recipe.predict_batch_size,
        "device": DEVICE,
        "precision": "float32",
    }


def _data(recipe: Recipe) -> Config:
    transforms = [*without_labels(recipe.images.prepare), *normalize(recipe.images).get("normalize", [])]
    return {
        "preprocessing": {"_target_": "Compose", "transforms": transforms},
        "dataset": dataset("@cases", "@preprocessing"),
        "dataloader": {
            "_target_": "dvpt_monai.predict.CaseLoader",
            "dataset": "@dataset",
            **recipe.task.batches,
            "num_workers": "@workers",
        },
    }


def _depends(recipe: Recipe, seen: Config) -> Config:
    """What predictions depend on beside the image and the weights: where it changes, they are made anew."""
    names = ("backbone_weights", "image_size", "precision", *recipe.task.output, *seen)
    steps = "$bundle.written('preprocessing', 'inferer', 'postprocessing')"
    return {**{name: f"@{name}" for name in names}, "steps": steps}


def _answer(recipe: Recipe) -> Config:
    return dict(
        postprocessing={"_target_": "Compose", "transforms": recipe.task.predicted},
        **recipe.task.served,
        **({"predictions_table": recipe.task.table} if recipe.task.table else {}),
        handlers=[trained_weights(), progress("Inference", persist=True), *recipe.task.handlers, *_figure(recipe)],
        evaluator={
            "_target_": "dvpt_monai.predict.Predictor",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "output_dir": "@output_dir",
            "weights": "@trained_files",
            "settings": "@depends",
            **({"table": "@predictions_table"} if recipe.task.table else {}),
            "memory": "@memory",
            "root": "@dataset_dir",
        },
    )


def _figure(recipe: Recipe) -> list[Config]:
    """What was predicted of photographs as a picture; of a segmentation the task says how."""
    if recipe.images.dims == 3 or recipe.task.kind == "segmentation":
        return []
    return [predictions_figure(recipe)]
