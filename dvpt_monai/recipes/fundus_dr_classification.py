"""Grades of diabetic retinopathy in photographs of the fundus: classes with an order."""

from __future__ import annotations

from dvpt_monai.recipes.answers import accuracy, figure, grade, kappa
from dvpt_monai.recipes.cases import table_in_folds
from dvpt_monai.recipes.metadata import DVPT_PAPER, RGB
from dvpt_monai.recipes.networks import FROM_ACTIVATIONS, SIDE_DVPT, classifier
from dvpt_monai.recipes.recipe import About, Cases, Images, Recipe
from dvpt_monai.recipes.steps import NORMALIZED, affine, brightness, contrast, flip, photographs, read_grade
from dvpt_monai.recipes.tasks import ORDINAL_LOSS, classification

__all__ = ["RECIPE"]

IDRID = "data.find_data('idrid_grading')"

RECIPE = Recipe(
    name="fundus_dr_classification",
    cases=Cases(
        dataset_dir=f"$str({IDRID})",
        to_predict=f"$str({IDRID}) + '/images'",
        choice={"fold": 0},
        lists={
            "datalist": "$@dataset_dir + '/labels.csv'",
            "image_column": "image",
            "label_column": "dr_grade",
            "group_column": None,
            "train_split": "train",
            "test_split": "test",
            "folds": 5,
            "label_fraction": 1.0,
            "shots": None,
        },
        reading=table_in_folds(),
        test_cases="data.read_csv(@datalist, split=@test_split, **@table)",
        overlapping="@folds == 1",
    ),
    images=Images(
        dims=2,
        size=224,
        options={"rotation": 3.1416},
        normalized=NORMALIZED,
        prepare=[read_grade(), *photographs("image")],
        augment=[
            flip("image", 0),
            flip("image", 1),
            affine("image", 1.0, rotate="@rotation", scale=[0.1, 0.1], translate="$[0.03 * @image_size] * 2"),
            brightness(0.75),
            contrast(),
        ],
    ),
    network=classifier(in_channels=3, patch_size=14, tap=None, method=SIDE_DVPT, position_resize="plain"),
    task=classification(
        ids={"num_classes": 5, "decision": "expected"},
        options={"ordinal_distance": 16.0, "class_weight_power": 0.0, "balanced": False},
        loss=ORDINAL_LOSS,
        balanced=True,
        decide=grade(),
        key_metric={"quadratic_kappa": kappa("QuadraticKappa")},
        additional_metrics={"accuracy": accuracy()},
        figure=figure("ClassificationFigure"),
    ),
    epochs=15,
    batch_size=16,
    **FROM_ACTIVATIONS,
    predict_batch_size=16,
    recorded=("num_classes", "image_size", "image_mean", "image_std", "tap", "pooling", "decision"),
    about=About(
        version="0.3.0",
        changelog={
            "0.3.0": "tuned beside the backbone, from cached activations, at 224 px",
            "0.2.0": "a trained adapter comes along; two GPUs, TensorBoard, shots",
            "0.1.0": "first version",
        },
        name="Grading of diabetic retinopathy with a tuned vision transformer",
        task="Classification of fundus photographs into grades of diabetic retinopathy",
        description="A frozen, pre-trained ViT-S/14, tuned by visual prompts beside it, grades diabetic retinopathy.",
        data_source="IDRiD, Porwal et al. 2018, https://doi.org/10.21227/H25W98",
        data_type="jpeg",
        image_classes="three channels, a colour fundus photograph cropped to its field of view",
        label_classes="one grade for each image, 0 to 4, International Clinical Diabetic Retinopathy scale",
        pred_classes="five logits, one for each grade",
        eval_metrics={"quadratic_kappa": 0.713, "accuracy": 0.4854},
        references=[
            DVPT_PAPER,
            "Porwal et al. Indian Diabetic Retinopathy Image Dataset (IDRiD). Data 3(3) (2018) 25.",
        ],
        **RGB,
        outputs=["no retinopathy", "mild", "moderate", "severe", "proliferative"],
    ),
)
