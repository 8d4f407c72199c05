"""The configs of a new bundle: those of the project's own, with the proposal's settings."""

from __future__ import annotations

import json

from dvpt_monai.new_bundle.files import PHOTOGRAPHS, VOLUMES
from dvpt_monai.new_bundle.pipeline import TURN, augment, for_inference, normalize, prepare
from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.new_bundle.template import CLASSIFICATION, LESIONS, Config, after, read, step

__all__ = ["CASES", "configs"]

CASES = {"classification": "configs/cases.csv", "segmentation": "configs/dataset.json"}
"""The table of a bundle's own cases."""
NORMALIZATION = ("normalization", "image_mean", "image_std")


def configs(proposal: Proposal, template: str) -> dict[str, Config]:
    """All configs of a bundle but its metadata, by their names."""
    names = ("train", "evaluate", "inference", "multi_gpu_train", "multi_gpu_evaluate")
    made = {name: read(template, name) for name in names}
    train, evaluate, inference = (made[name] for name in names[:3])
    for config in (train, inference):
        _common(config, proposal)
    _data(train, proposal)
    steps, scaled = prepare(proposal), normalize(proposal)
    _training(train, proposal, steps, scaled)
    inference["preprocessing"]["transforms"] = for_inference(steps + scaled)
    inference["dataset_dir"] = _to_predict(proposal)
    inference["suffixes"] = list(PHOTOGRAPHS if proposal.dims == 2 else VOLUMES)
    (_classifier if proposal.task == "classification" else _segmenter)(train, evaluate, inference, proposal)
    _normalized(train, evaluate, inference, proposal)
    words = ("volumes", "images") if proposal.dims == 2 else ("images", "volumes")
    return {name: _worded(config, *words) for name, config in made.items()}


def _common(config: Config, proposal: Proposal) -> None:
    """What training and inference share: the network's settings."""
    architecture, size = proposal.architecture, proposal.image_size
    config["num_classes"] = len(proposal.classes)
    config["image_size"] = size[0] if proposal.dims == 2 else list(size)
    config["backbone_weights"] = architecture.weights
    if "pretrained" in config:  # the shipped bundles resize positions as their adapters were trained; new ones need not
        del config["pretrained"]["position_resize"]
    config["tap"] = proposal.tap
    if "spacing" in config:
        config["spacing"] = list(proposal.spacing)
    elif proposal.spacing:
        after(config, "num_classes", spacing=list(proposal.spacing))
    if proposal.dims == 2:
        config.pop("spacing", None)
    if architecture.random:  # frozen noise is nothing to tune
        config["method"] = {"_target_": "dvpt_monai.FullFineTuning"}
    block, old = config["backbone"], {"num_registers", "depth_embedding", "spatial_dims", "tap"}
    kept = {key: value for key, value in block.items() if key not in old}
    block.clear()
    block.update(kept, in_channels=proposal.channels, patch_size=proposal.patch)
    if proposal.dims == 3 or proposal.task == "segmentation":
        block["spatial_dims"] = proposal.dims
    block.update(architecture.arguments)
    if proposal.dims == 3:
        block["depth_embedding"] = architecture.dims == 2 and not architecture.random
    block["tap"] = "@tap"


def _data(train: Config, proposal: Proposal) -> None:
    """Where the cases are, and how they are divided."""
    root = str(proposal.root)
    train["dataset_dir"] = root
    train["datalist"] = f"$@bundle_root + '/{CASES[proposal.task]}'"
    train["cache_rate"] = proposal.cache_rate
    train["epochs"], train["batch_size"] = proposal.epochs, proposal.batch_size
    if proposal.task == "classification":
        train["label_column"] = "label"
        train["group_column"] = "group" if any(case.group for case in proposal.parts.cases) else None
        own = "$data.read_csv(@datalist, split=@validation_split, **@table)"
    else:
        del train["test_size"], train["development"]
        train["cases"] = "$data.read_decathlon(@datalist, **@table)"
        train["train_cases"] = train["train_cases"].replace("@development", "@cases")
        train["val_cases"] = train["val_cases"].replace("@development", "@cases")
        after(train, "note", table={"num_classes": "@num_classes", "root": "@dataset_dir"})
        own = "$data.read_decathlon(@datalist, 'validation', **@table)"
    if proposal.parts.folds:
        train["folds"] = proposal.parts.folds
        return
    if proposal.task == "classification":
        after(train, "train_split", validation_split="validation")
    for key in ("pool", "train_cases"):
        if key in train:
            train[key] = train[key].replace("data.split(@cases, 'training', @fold, @folds)", "@cases")
    train["val_cases"] = own
    del train["fold"], train["folds"]
    step(train["train"]["handlers"], "Curves")["note"] = "@note"


def _training(train: Config, proposal: Proposal, steps: list[Config], scaled: list[Config]) -> None:
    """What the network sees in training and validation."""
    train.pop("normalize", None)
    train["prepare"], train["augment"] = steps, augment(proposal)
    if scaled:
        after(train, "augment", normalize=scaled)
    tail = " + @normalize" * bool(scaled)
    train["train"]["preprocessing"]["transforms"] = f"$@prepare + @augment{tail}"
    train["validate"]["preprocessing"]["transforms"] = f"$@prepare{tail}" if scaled else "@prepare"
    train.pop("rotation", None)
    if proposal.dims == 2:
        after(train, "max_gradient_norm", rotation=TURN)


def _classifier(train: Config, evaluate: Config, inference: Config, proposal: Proposal) -> None:
    pooling = "cls+mean" if proposal.architecture.arguments.get("cls_token", True) else "mean"
    for config in (train, inference):
        config["pooling"] = pooling
        after(config, "num_classes", classes=list(proposal.classes))
    train["class_weight_power"] = proposal.weigh
    step(evaluate["validate#handlers"], "ClassificationFigure")["names"] = "@classes"
    for handlers in (evaluate["validate#handlers"], inference["handlers"]):
        step(handlers, "PredictionsTable")["classes"] = "@classes"
    task = step(train["validate"]["handlers"], "AdapterSaver")["task"]
    task["task"] = proposal.name
    task["classes"] = "@classes"
    if proposal.spacing:
        task["spacing"] = "@spacing"
    if proposal.ordered:
        return
    train["ordinal_distance"] = 0.0
    for config in (train, inference):
        config["decision"] = "argmax"
    _nominal(train["validate"], proposal)


def _nominal(validate: Config, proposal: Proposal) -> None:
    """Metrics for classes without an order."""
    validate["postprocessing"]["transforms"] += [
        {"_target_": "CopyItemsd", "keys": "label", "names": "truth"},
        {"_target_": "AsDiscreted", "keys": "truth", "to_onehot": "@num_classes"},
    ]
    metrics = {
        "auc": _metric({"_target_": "dvpt_monai.metrics.MeanAUC", "labels": "@classes"}, ["probability", "truth"]),
        **validate["additional_metrics"],
        "kappa": _metric({"_target_": "dvpt_monai.metrics.Kappa", "num_classes": "@num_classes"}, ["pred", "label"]),
    }
    validate["key_metric"] = {proposal.chooses: metrics.pop(proposal.chooses)}
    validate["additional_metrics"] = metrics


def _metric(metric: Config, keys: list[str]) -> Config:
    told = f"$monai.handlers.from_engine({keys})"
    return {"_target_": "IgniteMetricHandler", "metric_fn": metric, "output_transform": told}


def _segmenter(train: Config, evaluate: Config, inference: Config, proposal: Proposal) -> None:
    structures = list(proposal.classes[1:])
    train["structures"] = structures
    train["dice_names"] = ["dice_" + name.replace(" ", "_") for name in structures]
    plain = proposal.values == tuple(range(len(proposal.values)))
    train["val_interval"] = max(1, proposal.epochs // 5)
    task = step(train["validate"]["handlers"], "AdapterSaver")["task"]
    task["task"] = proposal.name
    evaluate["test_cases"] = "$data.read_decathlon(@datalist, 'test', **@table)"
    transforms = inference["postprocessing"]["transforms"]
    if proposal.dims == 2:
        task.pop("spacing")
        for config in (train["validate"], inference):
            config["inferer"]["inferer"] = {"_target_": "SimpleInferer"}
        transforms[-1] = {"_target_": "dvpt_monai.transforms.SaveMaskd", "keys": "pred", "output_dir": "@output_dir"}
    if not plain:
        back = {"_target_": "MapLabelValued", "keys": "pred", "orig_labels": "$list(range(@num_classes))"}
        transforms.insert(-1, {**back, "target_labels": "@label_values", "dtype": "$numpy.uint8"})
    if proposal.dims == 2:
        _, *as_served = read(LESIONS, "inference")["label_map"]
        whole = {"_target_": "CastToTyped", "keys": "pred", "dtype": "$numpy.uint8"}
        served = {"label_map": [whole, *as_served], "post_transforms": "$[*@postprocessing.transforms, *@label_map]"}
        after(inference, "postprocessing", **served)
    if not plain or proposal.dims == 2:
        for config in (train, inference):
            after(config, "num_classes", label_values=list(proposal.values))
    if plain and proposal.dims == 2:
        del inference["label_values"]


def _normalized(train: Config, evaluate: Config, inference: Config, proposal: Proposal) -> None:
    """Photographs are normalised as the backbone was trained; volumes need no knobs for that."""
    task = step(train["validate"]["handlers"], "AdapterSaver")["task"]
    figure = [each for each in evaluate["validate#handlers"] if each["_target_"].endswith("ClassificationFigure")]
    for config in (train, evaluate, inference):
        for key in NORMALIZATION:
            config.pop(key, None)
    if proposal.dims == 3:
        for key in NORMALIZATION[1:]:
            task.pop(key, None)
        for each in figure:
            del each["mean"], each["std"]
        return
    trained = {name: read(CLASSIFICATION, name)["normalization"] for name in ("train", "evaluate", "inference")}
    channels = {"image_mean": "$@normalization[0]", "image_std": "$@normalization[1]"}
    if proposal.task == "segmentation":
        step(evaluate["validate#handlers"], "SegmentationFigure").update(mean="@image_mean", std="@image_std")
    after(train, "backbone_weights", normalization=trained["train"], **channels)
    after(evaluate, "adapter", normalization=trained["evaluate"])
    after(inference, "image_size", normalization=trained["inference"], **channels)
    task.update(image_mean="@image_mean", image_std="@image_std")


def _to_predict(proposal: Proposal) -> str:
    """A folder to predict where the user names none: that of a test image."""
    case = next(case for case in proposal.parts.cases if case.part == "test")
    return str(case.image.parent)


def _worded(config: Config, old: str, new: str) -> Config:
    """The same config, whose messages speak of images or of volumes."""
    said = {key: config[key] for key in ("note", "training", "evaluating", "inferring") if key in config}
    return {**config, **json.loads(json.dumps(said).replace(old, new))}
