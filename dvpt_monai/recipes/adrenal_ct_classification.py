"""Shapes of adrenal glands, segmented in CT: one of two classes for a volume."""

from __future__ import annotations

from dvpt_monai.recipes.answers import accuracy, copy, figure, highest, kappa, onehot, outputs
from dvpt_monai.recipes.cases import table
from dvpt_monai.recipes.metadata import DVPT_PAPER
from dvpt_monai.recipes.networks import volume_classifier
from dvpt_monai.recipes.recipe import About, Cases, Images, Recipe
from dvpt_monai.recipes.steps import affine, check_shape, flip, load_volumes, read_grade, resample, to_ras
from dvpt_monai.recipes.tasks import CLASS_WEIGHTS, classification

__all__ = ["RECIPE"]

MEDMNIST = "data.find_medmnist('adrenalmnist3d_64')"
SCORED_ON_TRAINING = {"scored_on_training": "$@train#dataset#data == @validate#dataset#data"}

RECIPE = Recipe(
    name="adrenal_ct_classification",
    cases=Cases(
        dataset_dir=f"$str({MEDMNIST})",
        to_predict=f"$str({MEDMNIST}) + '/images'",
        choice={"fold": 0},
        lists={
            "datalist": "$@dataset_dir + '/labels.csv'",
            "image_column": "image",
            "label_column": "label",
            "train_split": "train",
            "val_split": "val",
            "test_split": "test",
            "folds": 5,
            "label_fraction": 1.0,
            "shots": None,
        },
        reading={
            "table": table(),
            "parts": "$data.train_and_validation(@datalist, @train_split, @val_split, @fold, @folds, **@table)",
            "train_cases": "$data.shots(data.label_fraction(@parts[0], @label_fraction, @seed), @shots, @seed)",
            "val_cases": "$@parts[1]",
            **SCORED_ON_TRAINING,
        },
        test_cases="data.read_csv(@datalist, split=@test_split, **@table)",
        overlapping="@scored_on_training",
    ),
    images=Images(
        dims=3,
        size=64,
        ids={"spacing": None},
        prepare=[
            read_grade(),
            *load_volumes("image"),
            check_shape("image", 3),
            to_ras("image"),
            resample("image", _disabled_="$@spacing is None"),
            {
                "_target_": "Resized",
                "_disabled_": "$@spacing is not None",
                "keys": "image",
                "spatial_size": "@image_size",
                "size_mode": "longest",
                "mode": "trilinear",
                "anti_aliasing": True,
            },
            {"_target_": "ScaleIntensityd", "keys": "image", "minv": 0.0, "maxv": 1.0},
            {"_target_": "ResizeWithPadOrCropd", "keys": "image", "spatial_size": "$[@image_size] * 3"},
        ],
        augment=[
            flip("image", 0),
            flip("image", 1),
            flip("image", 2),
            affine("image", 0.9, rotate=[0.3] * 3, scale=[0.1] * 3, translate="$[0.06 * @image_size] * 3"),
        ],
    ),
    network=volume_classifier(
        volume="inflate",
        slice_axes=(0, 1, 2),
        slice_step=4,
        ids={"patch_size": 16, "standardize": True},
        standardize="@standardize",
        in_channels=1,
        patch_size="@patch_size",
        tap=4,
        position_resize="plain",
    ),
    task=classification(
        ids={"num_classes": 2},
        options={"class_weight_power": 0.0, "balanced": False},
        loss={**CLASS_WEIGHTS, "loss": {"_target_": "torch.nn.CrossEntropyLoss", "weight": "@class_weights"}},
        balanced=True,
        decide=highest(),
        scored=[copy("label", "truth"), onehot("truth")],
        key_metric={"auc": {"_target_": "ROCAUC", "output_transform": outputs("probability", "truth")}},
        additional_metrics={"accuracy": accuracy(), "kappa": kappa("QuadraticKappa")},
        figure=figure("ClassificationFigure"),
    ),
    epochs=4,
    batch_size=8,
    predict_batch_size=16,
    learning_rate=0.00003,
    head_learning_rate=0.001,
    recorded=("num_classes", "image_size", "patch_size", "spacing", "tap", "pooling", "standardize"),
    about=About(
        name="Classification of adrenal glands with a tuned vision transformer",
        task="Classification of the shapes of adrenal glands, segmented in CT, as normal or hyperplastic",
        description="A frozen, pre-trained ViT-S, carried to 3D and tuned by visual prompts, reads the shape of "
        "a gland.",
        data_source="AdrenalMNIST3D of MedMNIST v2, Yang et al. 2023, https://medmnist.com",
        data_type="nifti",
        image_classes="one channel, the binary shape of one adrenal gland, segmented in CT",
        label_classes="one label for each volume: 0 normal, 1 hyperplasia",
        pred_classes="two logits: normal, hyperplasia",
        eval_metrics={"auc": 0.8529, "accuracy": 0.8054, "kappa": 0.287},
        references=[
            DVPT_PAPER,
            "Yang et al. MedMNIST v2: a large-scale benchmark for 2D and 3D biomedical images. "
            "Scientific Data 10 (2023) 41.",
        ],
        format="segmentation",
        modality="CT",
        value_range=[0, 1],
        channels=["shape of the gland"],
        outputs=["normal", "hyperplasia"],
    ),
)
