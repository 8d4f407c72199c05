"""Make the files of bundles of their recipes, and find those that no longer fit."""

from __future__ import annotations

import os
from pathlib import Path

from dvpt_monai.errors import BundleError
from dvpt_monai.recipes import (
    adrenal_ct_classification,
    chest_xray_fewshot_classification,
    fundus_dr_classification,
    fundus_lesion_segmentation,
    hippocampus_mri_segmentation,
)
from dvpt_monai.recipes.evaluate import evaluate
from dvpt_monai.recipes.inference import inference
from dvpt_monai.recipes.metadata import metadata
from dvpt_monai.recipes.multi_gpu import multi_gpu_evaluate, multi_gpu_train
from dvpt_monai.recipes.recipe import Config, Recipe
from dvpt_monai.recipes.style import styled
from dvpt_monai.recipes.train import train
from dvpt_monai.whole_file import whole_file

__all__ = ["BUNDLES", "configs", "files", "fixed", "write_bundles"]

BUNDLES = (
    adrenal_ct_classification.RECIPE,
    chest_xray_fewshot_classification.RECIPE,
    fundus_dr_classification.RECIPE,
    fundus_lesion_segmentation.RECIPE,
    hippocampus_mri_segmentation.RECIPE,
)
"""The bundles of this project."""
FIXED = ("LICENSE", "configs/logging.conf")
"""Files that every bundle has word for word."""


def configs(recipe: Recipe) -> dict[str, list[Config]]:
    """The configs of a bundle by their names, each in paragraphs."""
    return {
        "train": train(recipe),
        "evaluate": evaluate(recipe),
        "inference": inference(recipe),
        "multi_gpu_train": multi_gpu_train(),
        "multi_gpu_evaluate": multi_gpu_evaluate(),
        "metadata": metadata(recipe),
    }


def files(recipe: Recipe) -> dict[str, str]:
    """What a recipe makes of a bundle, by paths in its folder."""
    written = {f"configs/{name}.json": styled(*paragraphs) for name, paragraphs in configs(recipe).items()}
    return {**{name: fixed(name) for name in FIXED}, **written}


def fixed(name: str) -> str:
    """A file that bundles have word for word."""
    return (Path(__file__).parent / "files" / Path(name).name).read_text(encoding="utf-8")


def write_bundles(root: str | os.PathLike[str] = "bundles", check: bool = False) -> list[str]:
    """Write the configs of this project's bundles from their recipes in :mod:`dvpt_monai.recipes`.

    Pages, pictures, adapters and all else in the folders are kept by hand and stay as they are.

    Args:
        root: the folder that holds the bundles' folders.
        check: only look which files do not fit their recipe.

    Returns:
        The files that did not fit, relative to ``root``.

    Raises:
        BundleError: a bundle's folder is not there.
    """
    stale = []
    for recipe in BUNDLES:
        folder = Path(root) / recipe.name
        if not folder.is_dir():
            raise BundleError(f"{folder}: no such bundle; give the folder that holds {recipe.name}, or make it")
        for name, text in files(recipe).items():
            path = folder / name
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(f"{recipe.name}/{name}")
            if not check:
                with whole_file(path) as part:
                    part.write_text(text, encoding="utf-8")
    return stale
