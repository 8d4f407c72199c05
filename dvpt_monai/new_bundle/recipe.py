"""The recipe of a new bundle: the parts that the project's own bundles are made of, chosen by a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dvpt_monai.new_bundle.documents import about
from dvpt_monai.new_bundle.proposal import Proposal
from dvpt_monai.new_bundle.regions import KNOWN_LOSS, layers, read_regions, regions, without_unknown
from dvpt_monai.recipes.answers import accuracy, copy, figure, grade, highest, kappa, metric, onehot
from dvpt_monai.recipes.cases import in_folds, table_in_folds
from dvpt_monai.recipes.networks import classifier, unetr, volume_classifier, volume_unetr
from dvpt_monai.recipes.recipe import Cases, Config, Images, Network, Recipe, Task
from dvpt_monai.recipes.steps import (
    BOTH,
    NORMALIZED,
    affine,
    brightness,
    check_labels,
    contrast,
    flip,
    noise,
    pad,
    photographs,
    random_window,
    read_grade,
    read_mask,
    volumes,
    window,
    window_of_a_structure,
    window_of_regions,
)
from dvpt_monai.recipes.tasks import DICE_NAMES, ORDINAL_LOSS, classification, label_map, save_labels, segmentation

__all__ = ["CASES", "recipe"]

CASES = {"classification": "configs/cases.csv", "segmentation": "configs/dataset.json"}
"""The table of a bundle's own cases."""
TURN = 0.2
"""Radians: without knowing the images, a small rotation and a flip from left to right are safe."""


def recipe(proposal: Proposal) -> Recipe:
    """What a bundle is made of, by what its data are."""
    classifies = proposal.task == "classification"
    return Recipe(
        name=proposal.name,
        cases=_cases(proposal),
        images=_images(proposal),
        network=_network(proposal),
        task=_classification(proposal) if classifies else _segmentation(proposal),
        epochs=proposal.epochs,
        batch_size=proposal.batch_size,
        predict_batch_size=16 if classifies else 4,
        **proposal.strategy.training,
        val_interval=1 if classifies else max(1, proposal.epochs // 5),
        recorded=(
            *(("num_classes", "classes", "pooling", "decision") if classifies else ("structures", "feature_size")),
            *(("image_mean", "image_std") if proposal.dims == 2 else ("spacing",)),
            "image_size",
            "tap",
        ),
        about=about(proposal),
    )


def _cases(proposal: Proposal) -> Cases:
    test = next(case for case in proposal.parts.cases if case.part == "test")
    folds = proposal.parts.folds
    datalist = {"datalist": f"$@bundle_root + '/{CASES[proposal.task]}'"}
    division = {**({"folds": folds, "fold_seed": proposal.parts.fold_seed} if folds else {}), "label_fraction": 1.0}
    if proposal.task == "classification":
        lists = {
            **datalist,
            "image_column": "image",
            "label_column": "label",
            "group_column": "group" if any(case.group for case in proposal.parts.cases) else None,
            "train_split": "train",
            **({} if folds else {"validation_split": "validation"}),
            "test_split": "test",
            **division,
            "shots": None,
        }
        own = "" if folds else "data.read_csv(@datalist, split=@validation_split, **@table)"
        reading = table_in_folds(own, seed="@fold_seed")
        test_cases = "data.read_csv(@datalist, split=@test_split, **@table)"
    else:
        lists = {**datalist, **division}
        reading = {
            "table": {"num_classes": "@num_classes", "root": "@dataset_dir"},
            "cases": "$data.read_decathlon(@datalist, **@table)",
            **in_folds(
                validation="" if folds else "data.read_decathlon(@datalist, 'validation', **@table)",
                seed="@fold_seed",
            ),
        }
        test_cases = "data.read_decathlon(@datalist, 'test', **@table)"
    return Cases(
        dataset_dir=str(proposal.root),
        to_predict=str(test.image.parent),
        choice={"fold": 0} if folds else {},
        lists=lists,
        reading=reading,
        test_cases=test_cases,
        overlapping="@folds == 1" if folds else "",
    )


def _images(proposal: Proposal) -> Images:
    flat = proposal.dims == 2
    return Images(
        dims=proposal.dims,
        size=proposal.image_size[0] if flat else list(proposal.image_size),
        ids={} if flat else {"spacing": list(proposal.spacing)},
        options={"rotation": TURN} if flat else {},
        normalized=NORMALIZED if flat else {},
        prepare=_prepare(proposal),
        augment=_augment(proposal),
        cache_rate=proposal.cache_rate,
        endings=proposal.survey.listing.endings,
    )


def _prepare(proposal: Proposal) -> list[Config]:
    """Load, check, resample and scale: the steps that draw no random numbers."""
    low, high = proposal.window or (0, 0)
    scale = window(low, high) if proposal.window else None
    if proposal.task == "classification":
        if proposal.dims == 2:
            return [read_grade(), *photographs("image", low, high)]
        fit = {"_target_": "ResizeWithPadOrCropd", "keys": "image", "spatial_size": "@image_size"}
        return [read_grade(), *volumes("image", channels=proposal.channels, scale=scale), fit]
    label = _label(proposal)
    if proposal.dims == 2:
        return photographs(BOTH, low, high, label=label)
    layered = proposal.survey.listing.layered
    return volumes(BOTH, channels=proposal.channels, label=label, scale=scale, layered=layered)


def _label(proposal: Proposal) -> list[Config]:
    """From the values of a mask to what is learned."""
    ignored = proposal.survey.listing.ignored
    if proposal.survey.listing.layered:
        return []
    if proposal.regions:
        return [read_regions(ignored)]
    if ignored is not None:
        return [{**read_mask(), "ignored": ignored}]
    if proposal.dims == 2:
        return [read_mask()]
    return [check_labels()] if _plain(proposal) else [read_mask(), check_labels()]


def _augment(proposal: Proposal) -> list[Config]:
    """What training changes at random."""
    keys = BOTH if proposal.task == "segmentation" else "image"
    if proposal.dims == 3:
        drawn = window_of_regions() if proposal.regions else window_of_a_structure()
        crop = drawn if proposal.cropped else random_window()
        return [
            *([pad(BOTH), crop] if proposal.task == "segmentation" else []),
            flip(keys, 0),
            affine(keys, 0.75, **_moved(proposal)),
            brightness(0.5),
            contrast(),
            noise(),
        ]
    turned: Config = {"rotate": "@rotation", "scale": [0.1, 0.1], "translate": "$[0.03 * @image_size] * 2"}
    left_to_right = flip(keys, 1)  # upside down is no photograph of most things
    if proposal.task == "classification":
        return [left_to_right, affine(keys, 1.0, **turned), brightness(0.75), contrast()]
    return [left_to_right, affine(keys, 0.75, **turned), brightness(0.5), contrast(), noise()]


def _moved(proposal: Proposal) -> Config:
    """How far volumes are turned, scaled and shifted; slices that lie far apart stay in their planes."""
    within = [float(proposal.coarse in (None, axis)) for axis in range(3)]
    return {"rotate": [0.2 * turned for turned in within], "scale": [0.1] * 3, "translate": [3, 3, 3]}


def _network(proposal: Proposal) -> Network:
    architecture = proposal.architecture
    lifted = proposal.dims == 3 and architecture.lifted
    arguments: Config = {
        "tap": proposal.tap,
        "weights": architecture.weights,
        "architecture": architecture.arguments,
        "method": proposal.strategy.method,
        "in_channels": proposal.channels,
        "patch_size": proposal.patch,
    }
    dims: Config = {"spatial_dims": 3, "depth_embedding": lifted} if proposal.dims == 3 else {"spatial_dims": 2}
    if proposal.task == "segmentation":
        arguments["out_channels"] = "@num_classes"
        return volume_unetr(volume=_volume(proposal), **arguments) if lifted else unetr(**arguments, **dims)
    arguments["pooling"] = "cls+mean" if architecture.arguments.get("cls_token", True) else "mean"
    if lifted:
        return volume_classifier(**_reading(proposal), **arguments)
    return classifier(**arguments, **dims)


def _reading(proposal: Proposal) -> Config:
    """How volumes to classify are read; of slices, some if asked for."""
    if proposal.coarse is not None:
        return {"volume": _volume(proposal), "slice_axes": (proposal.coarse,), "slice_step": 1}
    cube = len(set(proposal.image_size)) == 1
    return {"volume": _volume(proposal), "slice_axes": (0, 1, 2) if cube else (2,), "slice_step": 4}


def _volume(proposal: Proposal) -> str:
    """Slices as they are where they lie far apart, else patches of cubes."""
    return "inflate" if proposal.coarse is None else "slices"


def _classification(proposal: Proposal) -> Task:
    auc = {"_target_": "dvpt_monai.metrics.MeanAUC", "labels": "@classes"}
    metrics = (
        {"quadratic_kappa": kappa("QuadraticKappa"), "accuracy": accuracy()}
        if proposal.ordered
        else {"auc": metric(auc, "probability", "truth"), "accuracy": accuracy(), "kappa": kappa("Kappa")}
    )
    truth = [] if proposal.ordered else [copy("label", "truth"), onehot("truth")]
    return classification(
        ids={
            "num_classes": len(proposal.classes),
            "classes": list(proposal.classes),
            "decision": "expected" if proposal.ordered else "argmax",
        },
        options={
            "ordinal_distance": 16.0 if proposal.ordered else 0.0,
            "class_weight_power": proposal.weigh,
            "balanced": False,
        },
        loss=ORDINAL_LOSS,
        balanced=True,
        decide=grade(),
        scored=truth,
        key_metric={proposal.chooses: metrics.pop(proposal.chooses)},
        additional_metrics=metrics,
        columns={"classes": "@classes"},
        figure=figure("ClassificationFigure", names="@classes"),
    )


def _segmentation(proposal: Proposal) -> Task:
    structures = list(proposal.classes[1:])
    values: Config = {"label_values": list(proposal.values)}
    names: Config = dict(DICE_NAMES)
    flat, plain = proposal.dims == 2, _plain(proposal)
    ignored = proposal.survey.listing.ignored
    if proposal.survey.listing.layered:
        return layers(structures)
    if proposal.regions:
        return regions(structures, proposal.regions, proposal.values[1:], proposal.dims, ignored is not None)
    whole = f"$numpy.{_smallest(proposal.values)}"
    back = {
        "_target_": "MapLabelValued",
        "keys": "pred",
        "orig_labels": "$list(range(@num_classes))",
        "target_labels": "@label_values",
        "dtype": whole,
    }
    numbers = "@structures" if plain else "$dict(zip(@structures, @label_values[1:]))"
    task = segmentation(
        ids={"num_classes": len(proposal.classes), **({} if plain else values)},
        structures=structures,
        names={**names, **(values if plain and (flat or ignored is not None) else {})},
        overlap=None if flat else 0.5,
        save=[*([] if plain else [back]), save_labels(numbers)],
        served=label_map({"_target_": "CastToTyped", "keys": "pred", "dtype": whole}) if flat else {},
        drawn=structures if flat else (),
    )
    if ignored is None:
        return task
    return replace(task, loss=KNOWN_LOSS, scored=[highest(), without_unknown(), onehot("pred"), onehot("label")])


def _smallest(values: Sequence[int]) -> str:
    """The smallest type of whole numbers that holds the values of masks, and that masks are stored in."""
    types = ("uint8", "uint16", "int32") if min(values) >= 0 else ("int16", "int32")
    fitting = (name for name in types if np.iinfo(name).min <= min(values) and max(values) <= np.iinfo(name).max)
    return next(fitting, "int64")


def _plain(proposal: Proposal) -> bool:
    """Whether masks hold 0, 1, 2 and so on."""
    return proposal.values == tuple(range(len(proposal.values)))
