"""Parts that several configs of a bundle have alike."""

from __future__ import annotations

from typing import Any

from dvpt_monai.recipes.recipe import Config, Images, Network, Recipe, Steps, Task

__all__ = [
    "CHECK_PREDICTIONS",
    "CHECK_TRAINED",
    "CHECK_WRITABLE",
    "DEVICE",
    "OPENING",
    "TRAINED_FILES",
    "as_trained",
    "autocast",
    "dataset",
    "from_features",
    "network_def",
    "network_ids",
    "normalization",
    "normalize",
    "predictions_figure",
    "progress",
    "settings",
    "taking_features",
    "trained_weights",
    "whole_images",
    "with_adapters",
    "without_labels",
]

OPENING: Config = {
    "imports": ["$import dvpt_monai", "$import dvpt_monai.bundle as bundle", "$import dvpt_monai.data as data"],
    "bundle_root": "$bundle.root()",
}
DEVICE = "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')"
PAIRED = ("keys", "mode", "anti_aliasing")
"""What a step is told of the image and of its mask, in this order."""
OF_MASKS = ("structures",)
"""What a step is told of masks alone."""
CHECK_TRAINED = "$bundle.check_trained(@checkpoint, @adapter, method=@method, settings=@settings, adapters=@adapters)"
CHECK_WRITABLE = "$bundle.check_writable(@output_dir)"
"""What training, evaluating and predicting ask before they compute what they write."""
CHECK_PREDICTIONS: Config = {"_target_": "dvpt_monai.handlers.CheckPredictions"}
AFTER_TRAINING = "$bundle.normalization(@backbone_weights, trained=@trained_files[0])"
TRAINED_FILES: Config = {"trained_files": "$bundle.trained_files(@checkpoint, @adapter, @adapters)"}
"""What is evaluated or predicts; all of them were trained alike, so that the first tells how."""


def normalization(recipe: Recipe, trained: bool = True) -> Config:
    """What photographs are normalised with: as the backbone was trained, after a training as that was."""
    if not recipe.images.normalized:
        return {}
    return {"normalization": AFTER_TRAINING if trained else "$bundle.normalization(@backbone_weights)"}


def normalize(images: Images) -> Config:
    """The id of the step that normalises photographs, behind everything that changes colours."""
    if not images.normalized:
        return {}
    values = {"subtrahend": "@image_mean", "divisor": "@image_std", "channel_wise": True}
    return {"normalize": [{"_target_": "NormalizeIntensityd", "keys": "image", **values}]}


def without_labels(steps: Steps) -> list[Config]:
    """The same steps for images that come without labels.

    Example:
        >>> without_labels([
        ...     {"_target_": "Resized", "keys": ["image", "label"], "mode": ["area", "nearest"]},
        ...     {"_target_": "ReadGraded", "keys": "label"},
        ... ])
        [{'_target_': 'Resized', 'keys': 'image', 'mode': 'area'}]
    """
    return [
        {
            name: value[0] if name in PAIRED and isinstance(value, list) else value
            for name, value in step.items()
            if name not in OF_MASKS
        }
        for step in steps
        if "image" in step["keys"]
    ]


def dataset(cases: str, transform: str, kept: bool = False) -> Config:
    """Cases, prepared when they are asked for, or ``cache_rate`` of them once and kept in memory.

    Where their activations are cached, none are kept.
    """
    if kept:
        kind, rate = "dvpt_monai.bundle.CacheDataset", "$0.0 if @feature_cache.views else @cache_rate"
        return {"_target_": kind, "data": cases, "transform": transform, "cache_rate": rate}
    return {"_target_": "Dataset", "data": cases, "transform": transform}


def network_def(backbone: str) -> Config:
    """The network with its method, before any weights."""
    return {"_target_": "dvpt_monai.tune", "network": backbone, "method": "@method", "train": "@train_patterns"}


def network_ids(network: Network) -> Config:
    """What training and inference know alike of the network, but for its method."""
    return dict(**network.ids, train_patterns=None)


def as_trained(recipe: Recipe, ids: Config) -> Config:
    """Those of these ids that the header of an adapter tells, but for what an expression computes from others.

    MONAI reads ``@`` as a reference even inside a word of an expression, so the word spells it as Python can.
    """
    told: Config = {
        name: f"$bundle.trained({name!r}, @trained_files[0], {_literal(value)})"
        for name, value in ids.items()
        if name in _recorded(recipe) and not (isinstance(value, str) and value.startswith("$"))
    }
    if "method" in ids:
        told["method"] = f"$bundle.trained_method(@trained_files[0], {_spelled(ids['method'])!r})"
    return told


def _literal(value: Any) -> str:
    r"""A value as an expression of a config spells it.

    Example:
        >>> print(_literal(["a@b", "it's", 3]))
        ['a\x40b', "it's", 3]
    """
    return repr(value).replace("@", r"\x40")


def _spelled(method: Config) -> str:
    """A method as a person types it.

    Example:
        >>> _spelled({"_target_": "dvpt_monai.DVPT", "gate": 0.1}), _spelled({"_target_": "dvpt_monai.LoRA"})
        ('DVPT(gate=0.1)', 'LoRA')
    """
    arguments = ", ".join(f"{name}={value!r}" for name, value in method.items() if name != "_target_")
    name = str(method["_target_"]).rpartition(".")[2]
    return f"{name}({arguments})" if arguments else name


def _recorded(recipe: Recipe) -> tuple[str, ...]:
    return (*recipe.recorded, *recipe.images.reading, *recipe.network.reading)


def settings(recipe: Recipe, *paragraphs: Config) -> Config:
    """What the adapter's header says of a training: the recorded ids; of them those of these paragraphs, if any."""
    known = {name for paragraph in paragraphs for name in paragraph}
    return {name: f"@{name}" for name in _recorded(recipe) if not paragraphs or name in known}


def autocast(inferer: Config) -> Config:
    """An inferer at the chosen precision."""
    return {
        "_target_": "dvpt_monai.inferers.Autocast",
        "inferer": inferer,
        "dtype": "@precision",
        "device": "@device",
    }


def from_features(inferer: Config | str) -> Config:
    """The same inferer, for images and for what is cached of them."""
    return {"_target_": "dvpt_monai.features.FromFeatures", "inferer": inferer}


def taking_features() -> Config:
    """The network of the engines, which takes images and what is cached of them."""
    return {"_target_": "dvpt_monai.features.TakesFeatures", "network": "@network"}


def whole_images(task: Task, windows: str) -> Config:
    """How a whole image is predicted: at once, or in windows of which so many go through at a time."""
    if task.overlap is None:
        return autocast({"_target_": "SimpleInferer"})
    return autocast(
        {
            "_target_": "SlidingWindowInferer",
            "roi_size": "@image_size",
            "sw_batch_size": windows,
            "overlap": task.overlap,
            "mode": "gaussian",
        }
    )


def with_adapters(task: Task) -> Config:
    """The network of an evaluation or an inference, with one adapter or the mean of several."""
    return {
        "adapted": {
            "_target_": "dvpt_monai.bundle.with_adapters",
            "network": "@network_def",
            "adapters": "$@trained_files if @adapters else None",
            "backbone_weights": "@backbone_weights",
            "activation": task.activate,
            "spread": task.kind == "classification",
        },
        "network": "$@adapted.to(@device)",
    }


def trained_weights() -> Config:
    """The handler that loads the checkpoint, or an adapter over its backbone; several adapters are loaded before."""
    return {
        "_target_": "dvpt_monai.handlers.TrainedWeights",
        "_disabled_": "$bool(@adapters)",
        "network": "@network",
        "checkpoint": "@checkpoint",
        "adapter": "@adapter",
        "backbone_weights": "@backbone_weights",
    }


def predictions_figure(recipe: Recipe, **options: object) -> Config:
    """The picture of predictions, ``predictions.png``."""
    return {
        **recipe.task.figure,
        **options,
        "path": "$@output_dir + '/predictions.png'",
        **({"mean": "@image_mean", "std": "@image_std"} if recipe.images.normalized else {}),
        "note": "@note",
    }


def progress(desc: str, **options: object) -> Config:
    """A progress bar."""
    return {"_target_": "dvpt_monai.handlers.ProgressBar", **options, "desc": desc}
