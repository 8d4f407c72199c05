"""Both parts of the hippocampus in MRI: one structure for each voxel."""

from __future__ import annotations

from dvpt_monai.recipes.cases import in_folds
from dvpt_monai.recipes.metadata import DVPT_PAPER, UNETR_PAPER
from dvpt_monai.recipes.networks import volume_unetr
from dvpt_monai.recipes.recipe import About, Cases, Images, Recipe
from dvpt_monai.recipes.steps import (
    BOTH,
    affine,
    brightness,
    check_labels,
    contrast,
    flip,
    noise,
    pad,
    random_window,
    volumes,
)
from dvpt_monai.recipes.tasks import DICE_NAMES, save_labels, segmentation

__all__ = ["RECIPE"]

DECATHLON = "data.find_data('Task04_Hippocampus')"

RECIPE = Recipe(
    name="hippocampus_mri_segmentation",
    cases=Cases(
        dataset_dir=f"$str({DECATHLON})",
        to_predict=f"$str({DECATHLON}) + '/imagesTr'",
        choice={"fold": 0},
        lists={
            "datalist": "$@dataset_dir + '/dataset.json'",
            "test_size": 0.2,
            "test_list": "$@bundle_root + '/configs/test_cases.txt'",
            "folds": 5,
            "label_fraction": 1.0,
        },
        reading={
            "cases": "$data.read_decathlon(@datalist, num_classes=@num_classes)",
            "development": "$data.holdout(@cases, 'development', @test_size, listed=@test_list)",
            **in_folds("@development"),
        },
        test_cases="data.holdout(@cases, 'test', @test_size, listed=@test_list)",
        overlapping="@folds == 1",
    ),
    images=Images(
        dims=3,
        size=[48, 48, 48],
        ids={"spacing": [1.0, 1.0, 1.0]},
        prepare=volumes(BOTH, label=[check_labels()]),
        augment=[
            pad(BOTH),
            random_window(),
            flip(BOTH, 0),
            affine(BOTH, 0.75, rotate=[0.2] * 3, scale=[0.1] * 3, translate=[3, 3, 3]),
            brightness(0.5),
            contrast(),
            noise(),
        ],
    ),
    network=volume_unetr(
        volume="inflate",
        in_channels=1,
        out_channels="@num_classes",
        patch_size=8,
        tap=6,
        position_resize="plain",
    ),
    task=segmentation(
        ids={"num_classes": 3},
        structures="$['anterior', 'posterior'] if @num_classes == 3 else [str(i) for i in range(1, @num_classes)]",
        names=DICE_NAMES,
        overlap=0.5,
        save=[save_labels()],
    ),
    epochs=20,
    batch_size=2,
    predict_batch_size=4,
    val_interval=5,
    recorded=("structures", "spacing", "image_size", "feature_size", "tap"),
    about=About(
        version="0.2.0",
        changelog={"0.2.0": "a trained adapter comes along; two GPUs, TensorBoard", "0.1.0": "first version"},
        name="Segmentation of the hippocampus with a tuned vision transformer",
        task="Segmentation of the anterior and posterior hippocampus in T1-weighted MRI",
        description="UNETR over a frozen, pre-trained ViT-S, tuned by visual prompts.",
        data_source="Task04_Hippocampus of the Medical Segmentation Decathlon, http://medicaldecathlon.com",
        data_type="nifti",
        image_classes="one channel, T1-weighted MRI cropped around one hippocampus, 1 mm",
        label_classes="0 background, 1 anterior, 2 posterior hippocampus",
        pred_classes="three channels of logits: background, anterior, posterior",
        eval_metrics={"mean_dice": 0.8777, "dice_anterior": 0.883, "dice_posterior": 0.8723},
        references=[
            DVPT_PAPER,
            UNETR_PAPER,
            "Antonelli et al. The Medical Segmentation Decathlon. Nature Communications 13 (2022) 4128.",
        ],
        format="magnitude",
        modality="MR",
        value_range=[0, 1],
        channels=["image"],
        outputs=["background", "anterior hippocampus", "posterior hippocampus"],
    ),
)
