"""Findings in chest X-rays, from a few labelled patients: several labels for an image."""

from __future__ import annotations

from dvpt_monai.recipes.answers import above_threshold, figure, metric, metrics_table, outputs, predictions_table
from dvpt_monai.recipes.metadata import RGB
from dvpt_monai.recipes.networks import classifier
from dvpt_monai.recipes.recipe import About, Cases, Images, Recipe
from dvpt_monai.recipes.steps import NORMALIZED, affine, brightness, contrast, flip, photographs
from dvpt_monai.recipes.tasks import classification

__all__ = ["RECIPE"]

MEDFMC = "data.find_data('MedFMC')"
DRAW = ("shots", "experiment", "new_patients", "label_fraction", "fold", "folds")
"""What chooses the few."""

RECIPE = Recipe(
    name="chest_xray_fewshot_classification",
    cases=Cases(
        dataset_dir=f"$str({MEDFMC})",
        to_predict=f"$str({MEDFMC}) + '/' + @subset + '/images'",
        choice={"shots": 1, "experiment": 1, "fold": 0},
        lists={
            "lists_dir": "@dataset_dir",
            "datalist": "test_WithLabel",
            "new_patients": False,
            "label_fraction": 1.0,
            "folds": 5,
        },
        reading={
            "table": {
                "dataset_dir": "@dataset_dir",
                "subset": "@subset",
                "labels": "@labels",
                "lists_dir": "@lists_dir",
            },
            "draw": {name: f"@{name}" for name in DRAW},
            "few_shot": "$data.medfmc_shots(**@draw, **@table)",
            "train_cases": "$@few_shot.train",
            "val_cases": "$@few_shot.validation",
        },
        test_cases="data.read_medfmc(part=@datalist, **@table)",
        test_list="@subset + '/' + @datalist + '.txt.'",
    ),
    images=Images(
        dims=2,
        size=224,
        normalized=NORMALIZED,
        prepare=[
            *photographs("image"),
            {"_target_": "dvpt_monai.transforms.ReadFindingsd", "keys": "label", "labels": "@labels"},
            {"_target_": "EnsureTyped", "keys": "label", "dtype": "$torch.float32"},
        ],
        augment=[
            flip("image", 1),
            affine("image", 1.0, rotate=0.17, scale=[0.1, 0.1], translate="$[0.03 * @image_size] * 2"),
            brightness(0.75),
            contrast(),
        ],
    ),
    network=classifier(method={"_target_": "dvpt_monai.EPT"}, in_channels=3, patch_size=14, tap=6),
    task=classification(
        ids={
            "subset": "chest",
            "labels": "$data.medfmc_labels(@subset)",
            "num_classes": "$len(@labels)",
            "threshold": 0.5,
        },
        options={"positive_weight_power": 0.0},
        loss={
            "positive_weights": "$data.positive_weights(@train#dataset#data, @labels, @positive_weight_power)"
            ".to(@device)",
            "loss": {"_target_": "torch.nn.BCEWithLogitsLoss", "pos_weight": "@positive_weights"},
        },
        activate="sigmoid",
        decide=above_threshold(),
        metrics={
            "average_precision": {"_target_": "dvpt_monai.metrics.MeanAveragePrecision", "labels": "@labels"},
        },
        key_metric={"mean_average_precision": metric("@validate#average_precision", "probability")},
        additional_metrics={
            "mean_auc": metric({"_target_": "dvpt_monai.metrics.MeanAUC", "labels": "@labels"}, "probability"),
            "accuracy": {
                "_target_": "ConfusionMatrix",
                "metric_name": "accuracy",
                "output_transform": outputs("pred", "label"),
            },
        },
        tables=[
            {
                "_target_": "dvpt_monai.handlers.LabelScores",
                "metric": "@validate#average_precision",
                "name": "average_precision",
            },
            metrics_table(subset="@subset", datalist="@datalist"),
            predictions_table("$@dataset_dir + '/' + @subset + '/images'", labels="@labels"),
        ],
        columns={"labels": "@labels"},
        figure=figure("LabelsFigure", labels="@labels"),
    ),
    epochs=20,
    batch_size=4,
    predict_batch_size=16,
    learning_rate=0.003,
    recorded=(
        "subset",
        "labels",
        "num_classes",
        "image_size",
        "image_mean",
        "image_std",
        "tap",
        "pooling",
        "threshold",
        "shots",
        "experiment",
    ),
    about=About(
        name="Few-shot labelling of chest X-rays with a tuned vision transformer",
        task="Multi-label classification of chest X-rays from a few labelled patients",
        description="A frozen ViT-S/14, tuned by embedded prompts on a few patients of each label, finds 19 labels.",
        data_source="MedFMC, Wang et al. 2023, https://doi.org/10.6084/m9.figshare.c.6476047.v1",
        data_type="png",
        image_classes="three equal channels, a frontal chest X-ray",
        label_classes="0 or 1 for each of 19 labels, in the order of channel_def",
        pred_classes="19 logits, one for each label; labels do not exclude each other",
        references=[
            "Zu et al. Embedded Prompt Tuning. Medical Image Analysis 97 (2024) 103258, arXiv 2407.01003.",
            "Wang et al. A real-world dataset and benchmark (MedFMC). Scientific Data 10 (2023) 574.",
        ],
        **RGB,
        outputs=[
            "pleural effusion",
            "nodule",
            "pneumonia",
            "cardiomegaly",
            "hilar enlargement",
            "old fracture",
            "fibrosis",
            "aortic calcification",
            "tortuous aorta",
            "thickened pleura",
            "tuberculosis",
            "pneumothorax",
            "emphysema",
            "atelectasis",
            "calcification",
            "pulmonary edema",
            "increased lung markings",
            "elevated diaphragm",
            "consolidation",
        ],
    ),
)
