"""``train.json``: first what people change, then everything in the order in which the data flow."""

from __future__ import annotations

from dvpt_monai.recipes.parts import (
    CHECK_PREDICTIONS,
    DEVICE,
    OPENING,
    autocast,
    dataset,
    from_features,
    network_def,
    network_ids,
    normalization,
    normalize,
    progress,
    settings,
    taking_features,
    whole_images,
)
from dvpt_monai.recipes.recipe import Config, Network, Recipe
from dvpt_monai.recipes.start import RESUMPTION, run

__all__ = ["train"]

BALANCED = "$data.balanced_sampler(@train#dataset#data, @num_classes, @seed) if @balanced else None"
FEATURES: Config = {
    "_target_": "dvpt_monai.features.FeatureCache",
    "network": "@network",
    "views": "@cache_features",
    "folder": "@cache_dir",
    "dtype": "@cache_dtype",
    "budget": "@cache_budget",
    "seed": "@seed",
    "workers": "@workers",
    "epochs": "@epochs",
}
"""What stands before the first tuner, computed once where ``cache_features`` asks for it."""
PREPARE_BATCH: Config = {"_target_": "dvpt_monai.features.PrepareFeatures"}
TENSORBOARD: Config = {
    "_target_": "TensorBoardStatsHandler",
    "_disabled_": "$@rank > 0 or not @tensorboard",
    "log_dir": "$@output_dir + '/tensorboard'",
}


def train(recipe: Recipe) -> list[Config]:
    """The paragraphs of a bundle's ``train.json``."""
    cases, images, task = recipe.cases, recipe.images, recipe.task
    return [
        OPENING,
        _changed(recipe),
        cases.lists,
        dict(
            **task.ids,
            **task.names,
            **images.reading,
            **images.ids,
            **normalization(recipe, trained=False),
            **images.normalized,
        ),
        dict(**recipe.network.reading, **network_ids(recipe.network), **recipe.network.options),
        _course(recipe),
        {"cache_features": recipe.cache_features, "cache_dir": None, "cache_dtype": "float16", "cache_budget": 20.0},
        {"workers": 0, "cache_rate": images.cache_rate, "resume": "never", "rank": 0, "tensorboard": False},
        {"settings": settings(recipe)},
        dict(
            phantom="$bundle.shows_phantoms(@validate#dataset#data)",
            note=f"$'PHANTOM DATA: generated {images.unit}, not patients' if @phantom else ''",
            **cases.reading,
        ),
        dict(prepare=images.prepare, augment=images.augment, **normalize(images)),
        _network(recipe.network, recipe.name),
        _optimization(recipe),
        {"train": _training(recipe)},
        {"validate": _validation(recipe)},
        {"resumption": RESUMPTION},
        run(recipe.images.unit),
    ]


def _changed(recipe: Recipe) -> Config:
    """What people change, most often on the command line."""
    return dict(
        dataset_dir=recipe.cases.dataset_dir,
        models_dir="$@bundle_root + '/models'",
        output_dir="$@bundle_root + '/output'",
        backbone_weights=recipe.network.weights,
        method=recipe.network.method,
        image_size=recipe.images.size,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        head_learning_rate=recipe.head_learning_rate,
        **recipe.cases.choice,
        seed=0,
        device=DEVICE,
        precision="float32",
    )


def _course(recipe: Recipe) -> Config:
    """How the training goes, beside its rates."""
    return dict(
        frozen_dtype="float32",
        weight_decay=0.0001,
        warmup=0.2,
        max_gradient_norm=1.0,
        ema=0.0,
        non_finite="stop",
        **recipe.task.options,
        **recipe.images.options,
        val_interval=recipe.val_interval,
    )


def _network(network: Network, name: str) -> Config:
    """The network, its backbone's weights, and the method that tunes it."""
    resize = {"position_resize": network.position_resize} if network.position_resize else {}
    return {
        "backbone": dict(**network.build, **{name: f"@{name}" for name in network.options}, _mode_="callable"),
        "network_def": network_def("$@backbone()"),
        "pretrained": {
            "_target_": "dvpt_monai.bundle.load_backbone",
            "network": "$@backbone()",
            "weights": "@backbone_weights",
            "trained": "$@models_dir + '/model.pt'",
            **resize,
        },
        "tuned": "$dvpt_monai.tune(@pretrained, @method, @train_patterns)",
        "network": "$dvpt_monai.cast_frozen(@tuned, @frozen_dtype).to(@device)",
        "parallel": taking_features(),
        "feature_cache": {**FEATURES, "name": name},
    }


def _optimization(recipe: Recipe) -> Config:
    """The loss, the optimizer and the course of its rates."""
    return dict(
        **recipe.task.loss,
        parameters="$dvpt_monai.parameter_groups(@network, @learning_rate, @head_learning_rate, @weight_decay)",
        optimizer={"_target_": "torch.optim.AdamW", "params": "@parameters"},
        steps="$@train#trainer#max_epochs * len(@train#dataloader)",
        lr_scheduler="$dvpt_monai.optimizers.one_cycle(@optimizer, @steps, @warmup)",
        inferer=autocast({"_target_": "SimpleInferer"}),
    )


def _training(recipe: Recipe) -> Config:
    normalized = " + @normalize" if recipe.images.normalized else ""
    return {
        "preprocessing": {"_target_": "Compose", "transforms": f"$@prepare + @augment{normalized}"},
        "dataset": dataset("@train_cases", "@train#preprocessing", kept=True),
        "sampler": BALANCED if recipe.task.balanced else None,
        "dataloader": {
            "_target_": "dvpt_monai.data.ReplayLoader",
            "dataset": "$@feature_cache.training(@train#dataset, @inferer)",
            "batch_size": "@batch_size",
            "shuffle": "$@train#sampler is None",
            "sampler": "@train#sampler",
            "seed": "@seed",
            "num_workers": "@workers",
        },
        "inferer": from_features("@inferer"),
        "handlers": [
            {
                "_target_": "LrScheduleHandler",
                "lr_scheduler": "@lr_scheduler",
                "print_lr": False,
                "epoch_level": False,
            },
            {
                "_target_": "dvpt_monai.handlers.StopAtNonFinite",
                "parameters": "$@network.parameters()",
                "skip": "$@non_finite == 'skip'",
            },
            {
                "_target_": "dvpt_monai.handlers.GradientClip",
                "parameters": "$@network.parameters()",
                "max_norm": "@max_gradient_norm",
            },
            {
                "_target_": "dvpt_monai.handlers.AveragedWeights",
                "_disabled_": "$not @ema",
                "network": "@network",
                "decay": "@ema",
                "evaluator": "@validate#evaluator",
            },
            progress("Training", _disabled_="$@rank > 0", persist=True),
            {
                "_target_": "ValidationHandler",
                "validator": "@validate#evaluator",
                "interval": "$bundle.interval(@val_interval, @train#trainer#max_epochs)",
            },
            {
                **TENSORBOARD,
                "tag_name": "train_loss",
                "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
            },
            {
                "_target_": "dvpt_monai.handlers.Curves",
                "_disabled_": "$@rank > 0",
                "output_dir": "@output_dir",
                "evaluator": "@validate#evaluator",
                "note": _curves_note(recipe.cases.overlapping),
            },
        ],
        "trainer": {
            "_target_": "SupervisedTrainer",
            "max_epochs": "@epochs",
            "device": "@device",
            "train_data_loader": "@train#dataloader",
            "prepare_batch": PREPARE_BATCH,
            "network": "@parallel",
            "loss_function": "@loss",
            "optimizer": "@optimizer",
            "inferer": "@train#inferer",
            "train_handlers": "@train#handlers",
        },
    }


def _curves_note(overlapping: str) -> str:
    if not overlapping:
        return "@note"
    return f"$@note + (' scored on the training cases: folds is 1' if {overlapping} else '')"


def _validation(recipe: Recipe) -> Config:
    task = recipe.task
    normalized = "$@prepare + @normalize" if recipe.images.normalized else "@prepare"
    return dict(
        preprocessing={"_target_": "Compose", "transforms": normalized},
        dataset=dataset("@val_cases", "@validate#preprocessing", kept=True),
        examples="$@feature_cache.validation(@validate#dataset, @validate#inferer)",
        sampler=None,
        dataloader={
            "_target_": "DataLoader",
            # an expression: MONAI wants a plain reference here to be that of the data set itself
            "dataset": "$@validate#examples",
            **task.batches,
            "sampler": "@validate#sampler",
            "num_workers": "@workers",
        },
        inferer=from_features("@inferer" if task.overlap is None else whole_images(task, task.windows)),
        postprocessing={"_target_": "Compose", "transforms": task.scored},
        **task.metrics,
        key_metric=task.key_metric,
        additional_metrics=task.additional_metrics,
        handlers=[
            CHECK_PREDICTIONS,
            {
                "_target_": "dvpt_monai.handlers.CheckpointSaver",
                "save_dir": "@models_dir",
                "save_dict": {"model": "@network"},
                "save_key_metric": True,
                "key_metric_filename": "model.pt",
                "key_metric_greater_or_equal": True,
            },
            {
                "_target_": "dvpt_monai.handlers.AdapterSaver",
                "_disabled_": "$@rank > 0",
                "network": "@network",
                "path": "$@models_dir + '/adapter.safetensors'",
                "settings": "@settings",
                "result": {"task": recipe.name, "phantom": "@phantom"},
            },
            progress("Validation", _disabled_="$@rank > 0"),
            {**TENSORBOARD, "iteration_log": False},
            {"_target_": "StatsHandler", "_disabled_": "$@rank > 0", "iteration_log": False},
        ],
        evaluator={
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@validate#dataloader",
            "prepare_batch": PREPARE_BATCH,
            "network": "@parallel",
            "inferer": "@validate#inferer",
            "postprocessing": "@validate#postprocessing",
            "key_val_metric": "@validate#key_metric",
            "additional_metrics": "@validate#additional_metrics",
            "metric_cmp_fn": "$dvpt_monai.metrics.better",
            "val_handlers": "@validate#handlers",
        },
    )
