"""``metadata.json``, by MONAI's schema: what a bundle is, reads and gives."""

from __future__ import annotations

from collections.abc import Sequence

from dvpt_monai.recipes.recipe import Config, Recipe
from dvpt_monai.version import __version__

__all__ = ["DVPT_PAPER", "RGB", "UNETR_PAPER", "metadata"]

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
READERS = {2: ("pillow", "13.0.0"), 3: ("nibabel", "5.4.2")}
"""What opens most images of so many dimensions; SimpleITK opens the rest."""
RGB: Config = {"format": "RGB", "value_range": [-2.2, 2.7], "channels": ["red", "green", "blue"]}
"""A photograph, normalised."""
DVPT_PAPER = "He et al. DVPT: Dynamic Visual Prompt Tuning. Neural Networks 185 (2025) 107168, arXiv 2307.09787."
UNETR_PAPER = "Hatamizadeh et al. UNETR: Transformers for 3D medical image segmentation. arXiv 2103.10504."


def metadata(recipe: Recipe) -> list[Config]:
    """A bundle's ``metadata.json``, in one paragraph."""
    about, dims = recipe.about, recipe.images.dims
    monai, torch, numpy = about.versions
    reader, version = READERS[dims]
    return [
        {
            "schema": SCHEMA,
            "version": about.version,
            "changelog": about.changelog,
            "monai_version": monai,
            "pytorch_version": torch,
            "numpy_version": numpy,
            "required_packages_version": {
                "dvpt-monai": __version__,
                "pytorch-ignite": "0.5.5",
                reader: version,
                "SimpleITK": "2.5.5",
                "safetensors": "0.4.3",
            },
            "name": about.name,
            "task": about.task,
            "description": about.description,
            "authors": about.authors,
            "copyright": about.copyright,
            "data_source": about.data_source,
            "data_type": about.data_type,
            "image_classes": about.image_classes,
            "label_classes": about.label_classes,
            "pred_classes": about.pred_classes,
            "eval_metrics": about.eval_metrics,
            "intended_use": "Research on parameter-efficient fine-tuning. Not a medical device, not for clinical use.",
            "references": about.references,
            "network_data_format": {"inputs": {"image": _image(recipe)}, "outputs": {"pred": _pred(recipe)}},
        }
    ]


def _image(recipe: Recipe) -> Config:
    about = recipe.about
    return {
        "type": "image",
        "format": about.format,
        **({"modality": about.modality} if about.modality else {}),
        "num_channels": len(about.channels),
        "spatial_shape": _shape(recipe),
        "dtype": "float32",
        "value_range": about.value_range,
        "is_patch_data": recipe.task.overlap is not None,
        "channel_def": _numbered(about.channels),
    }


def _pred(recipe: Recipe) -> Config:
    outputs, pixels = recipe.about.outputs, recipe.task.kind == "segmentation"
    return {
        "type": "image" if pixels else "logits",
        "format": "segmentation" if pixels else "classes",
        "num_channels": len(outputs),
        "spatial_shape": _shape(recipe) if pixels else [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": recipe.task.overlap is not None,
        "channel_def": _numbered(outputs),
    }


def _shape(recipe: Recipe) -> list[int]:
    size = recipe.images.size
    return [size] * recipe.images.dims if isinstance(size, int) else list(size)


def _numbered(names: Sequence[str]) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}
