"""Lesions of diabetic retinopathy in photographs of the fundus: masks that may overlap."""

from __future__ import annotations

from dvpt_monai.recipes.answers import (
    above_threshold,
    activation,
    cases_table,
    copy,
    dice,
    figure,
    invert,
    metric,
    metrics_table,
    structure_scores,
)
from dvpt_monai.recipes.cases import in_folds
from dvpt_monai.recipes.metadata import DVPT_PAPER, RGB, UNETR_PAPER
from dvpt_monai.recipes.networks import unetr
from dvpt_monai.recipes.recipe import About, Cases, Images, Recipe, Task
from dvpt_monai.recipes.steps import (
    BOTH,
    affine,
    brightness,
    check_shape,
    colours,
    contrast,
    flip,
    load_photographs,
    pad,
    window,
)
from dvpt_monai.recipes.tasks import DICE_NAMES, SURFACES, label_map

__all__ = ["RECIPE"]

IDRID = "data.find_data('idrid_lesions')"


def _aupr(names: str, **options: str) -> dict[str, object]:
    return metric({"_target_": "dvpt_monai.metrics.PixelAUPR", "names": names, **options}, "probability")


RECIPE = Recipe(
    name="fundus_lesion_segmentation",
    cases=Cases(
        dataset_dir=f"$str({IDRID})",
        to_predict=f"$str({IDRID}) + '/test/images'",
        choice={"fold": 0},
        lists={
            "datalist": "$@dataset_dir + '/train'",
            "test_datalist": "$@dataset_dir + '/test'",
            "folds": 5,
            "label_fraction": 1.0,
        },
        reading={"cases": "$data.read_masks(@datalist, @structures, root=@dataset_dir)", **in_folds("@cases")},
        test_cases="data.read_masks(@test_datalist, @structures, root=@dataset_dir)",
        overlapping="@folds == 1",
    ),
    images=Images(
        dims=2,
        size=[224, 224],
        ids={"in_channels": 3, "longest_side": 768},
        options={"patches": 2, "background": 1.0},
        normalized={
            "image_mean": "$@normalization[0] if len(@normalization[0]) == @in_channels else [0.0] * @in_channels",
            "image_std": "$@normalization[1] if len(@normalization[1]) == @in_channels else [1.0] * @in_channels",
        },
        prepare=[
            *load_photographs("image"),
            colours(_disabled_="$@in_channels != 3"),
            check_shape("image", 2, "@in_channels"),
            {"_target_": "dvpt_monai.transforms.LoadMasksd", "keys": "label", "structures": "@structures"},
            window(),
            {
                "_target_": "Resized",
                "_disabled_": "$@longest_side is None",
                "keys": BOTH,
                "spatial_size": "@longest_side",
                "size_mode": "longest",
                "mode": ["bilinear", "nearest"],
                "anti_aliasing": [True, False],
            },
        ],
        augment=[
            pad(BOTH),
            {
                "_target_": "dvpt_monai.transforms.RandCropStructuresd",
                "keys": BOTH,
                "label_key": "label",
                "spatial_size": "@image_size",
                "background": "@background",
                "num_samples": "@patches",
            },
            flip(BOTH, 0),
            flip(BOTH, 1),
            affine(BOTH, 1.0, rotate=3.1416, scale=[0.15, 0.15], padding="reflection"),
            brightness(0.75),
            contrast(),
        ],
    ),
    network=unetr(
        ids={"patch_size": 16, "contrast": 12.0},
        in_channels="@in_channels",
        out_channels="$len(@structures)",
        patch_size="@patch_size",
        contrast="@contrast",
        spatial_dims=2,
        tap=6,
        position_resize="plain",
    ),
    task=Task(
        kind="segmentation",
        ids={"structures": ["MA", "HE", "EX", "SE", "OD"], "overlap": 0.25, "threshold": 0.5},
        names={
            "aupr_names": "$dvpt_monai.metrics.metric_names('aupr', @structures)",
            **DICE_NAMES,
        },
        loss={
            "loss": {
                "_target_": "DiceFocalLoss",
                "sigmoid": True,
                "batch": True,
                "gamma": 0.0,
                "alpha": 0.9,
                "lambda_focal": 10.0,
            }
        },
        overlap="@overlap",
        windows="$@batch_size * @patches",
        activate="sigmoid",
        scored=[activation("sigmoid"), copy("pred", "probability"), above_threshold()],
        key_metric={"mean_aupr": _aupr("@structures")},
        additional_metrics={
            "aupr": _aupr("@aupr_names", reduction="none"),
            "mean_dice": dice(),
            "dice": dice(names="@dice_names"),
        },
        tables=[
            metrics_table(),
            {
                "_target_": "dvpt_monai.handlers.AUPRTable",
                "path": "$@output_dir + '/aupr.csv'",
                "metric": "mean_aupr",
                "structures": "@structures",
            },
            cases_table(),
        ],
        figure=figure("OverlayFigure", structures="@structures"),
        scores=structure_scores(),
        scored_at=dict(SURFACES),
        evaluated="metrics.csv, scores.csv, aupr.csv, cases.csv, scores.png and predictions.png",
        predicted=[
            activation("sigmoid"),
            invert(),
            above_threshold(),
            {
                "_target_": "dvpt_monai.transforms.SaveImageMasksd",
                "keys": "pred",
                "output_dir": "@output_dir",
                "structures": "@structures",
            },
        ],
        served=label_map({"_target_": "dvpt_monai.transforms.LabelMapd", "keys": "pred"}),
        handlers=[
            {
                "_target_": "dvpt_monai.handlers.OverlayFigure",
                "path": "$@output_dir + '/predictions.png'",
                "structures": "@structures",
                "columns": 2,
                "mean": "@image_mean",
                "std": "@image_std",
                "truth": False,
                "note": "@note",
            }
        ],
        predictions="len(@evaluator.done) * len(@structures), 'masks and predictions.png to', @output_dir",
    ),
    epochs=60,
    batch_size=2,
    predict_batch_size=8,
    val_interval=8,
    recorded=(
        "structures",
        "image_mean",
        "image_std",
        "longest_side",
        "image_size",
        "patch_size",
        "contrast",
        "feature_size",
        "tap",
    ),
    about=About(
        version="0.2.0",
        changelog={"0.2.0": "the decoder reads local contrast; sixty epochs", "0.1.0": "first version"},
        name="Segmentation of the lesions of diabetic retinopathy with a tuned vision transformer",
        task="Segmentation of microaneurysms, haemorrhages, exudates and the optic disc in fundus photographs",
        description="2D UNETR over a frozen, pre-trained ViT-S, tuned by visual prompts; lesions may overlap.",
        data_source="IDRiD, Porwal et al. 2018, https://doi.org/10.21227/H25W98",
        data_type="jpeg",
        image_classes="three channels, a colour fundus photograph cropped to its field of view, normalised",
        label_classes="one channel of 0 and 1 for each structure, in the order of the predictions",
        pred_classes="five channels of logits, independent of each other: sigmoid, no background",
        eval_metrics={"mean_aupr": 0.6526, "mean_dice": 0.637},
        references=[
            DVPT_PAPER,
            UNETR_PAPER,
            "Porwal et al. Indian Diabetic Retinopathy Image Dataset (IDRiD). Data 3(3) (2018) 25.",
            "Porwal et al. IDRiD: Diabetic Retinopathy - Segmentation and Grading Challenge. MedIA 59 (2020) 101561.",
        ],
        **RGB,
        outputs=["microaneurysms", "haemorrhages", "hard exudates", "soft exudates", "optic disc"],
    ),
)
