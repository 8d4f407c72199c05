"""Transforms of images, alone or beside their masks: how they are loaded, put into shape, and varied at random.

Each function gives a step, or some that belong together; ``keys`` is ``"image"`` or :data:`BOTH`.
"""

from __future__ import annotations

from typing import Any

from dvpt_monai.recipes.recipe import Config, Steps

__all__ = [
    "BOTH",
    "NORMALIZED",
    "affine",
    "brightness",
    "check_labels",
    "check_shape",
    "colours",
    "contrast",
    "flip",
    "load_photographs",
    "load_volumes",
    "noise",
    "pad",
    "percentiles",
    "photographs",
    "random_window",
    "read_grade",
    "read_mask",
    "resample",
    "to_ras",
    "volumes",
    "window",
    "window_of_a_structure",
    "window_of_regions",
]

BOTH = ["image", "label"]
NORMALIZED: Config = {"image_mean": "$@normalization[0]", "image_std": "$@normalization[1]"}
"""Ids of what photographs are normalised with."""
Keys = str | list[str]


def _mode(keys: Keys, image: str) -> str | list[str]:
    """How values between pixels are found: those of masks never."""
    return image if keys == "image" else [image, "nearest"]


def load_photographs(keys: Keys) -> list[Config]:
    """PNG, JPEG, TIFF and their like, and single files of DICOM, rows first."""
    return _load(keys, window="@window")


def photographs(keys: Keys, low: float = 0, high: float = 255, label: Steps = ()) -> list[Config]:
    """In colours, shrunk until the longer side fits, and padded to a square.

    Args:
        keys: ``"image"``, or :data:`BOTH` where the label is a mask.
        low: intensity that becomes 0.
        high: intensity that becomes 1.
        label: steps of a mask that has just been loaded.
    """
    size = {"spatial_size": "@image_size", "size_mode": "longest", "mode": _mode(keys, "area")}
    return [
        *load_photographs(keys),
        *label,
        colours(floats=(low, high) != (0, 255)),
        window(low, high),
        {"_target_": "Resized", "keys": keys, **size},
        {"_target_": "SpatialPadd", "keys": keys, "spatial_size": "$[@image_size, @image_size]"},
    ]


def volumes(
    keys: Keys, *, channels: int = 1, label: Steps = (), scale: Config | None = None, layered: bool = False
) -> list[Config]:
    """Of one shape, turned to RAS, at one spacing, with intensities from 0 to 1.

    Args:
        keys: ``"image"``, or :data:`BOTH` where the label is a mask.
        channels: of the image.
        label: steps of a mask that has just been loaded.
        scale: the step that scales intensities; by default between each volume's own percentiles.
        layered: whether masks that name their structures become a channel for each.
    """
    checks = [check_shape(keys, 3)]
    if channels > 1 or layered:
        of_label = check_shape("label", 3, "@num_classes" if layered else 1)
        checks = [check_shape("image", 3, channels), *([of_label] if "label" in keys else [])]
    return [*load_volumes(keys, layered), *checks, *label, to_ras(keys), resample(keys), scale or percentiles(channels)]


def load_volumes(keys: Keys, layered: bool = False) -> list[Config]:
    """NIfTI, NRRD, MetaImage and series of DICOM; masks may be segmentations with names, perhaps in channels."""
    named: Config = {"structures": "@structures", **({"overlapping": True} if layered else {})}
    return _load(keys, **({} if keys == "image" else named))


def _load(keys: Keys, **settings: Any) -> list[Config]:
    """Load, and refuse a mask that does not belong to its image."""
    pair = {"_target_": "dvpt_monai.transforms.CheckPaird", "keys": "label"}
    return [
        {"_target_": "dvpt_monai.transforms.LoadImaged", "keys": keys, **settings},
        {"_target_": "EnsureChannelFirstd", "keys": keys},
        *([] if keys == "image" else [pair]),
    ]


def colours(floats: bool = False, **options: str) -> Config:
    """Three channels in which white is 255; of numbers with a point, if they may pass, nobody knows what white is."""
    return {"_target_": "dvpt_monai.transforms.EnsureRGBd", **options, "keys": "image", "floats": floats}


def check_shape(keys: Keys, spatial_dims: int, channels: int | str = 1) -> Config:
    """An error for an image of other dimensions or channels."""
    return {
        "_target_": "dvpt_monai.transforms.CheckShaped",
        "keys": keys,
        "spatial_dims": spatial_dims,
        "channels": channels,
    }


def read_grade() -> Config:
    """The number of a class, checked."""
    return {"_target_": "dvpt_monai.transforms.ReadGraded", "keys": "label", "num_classes": "@num_classes"}


def read_mask() -> Config:
    """The values of masks as 0, 1, 2 and so on."""
    return {"_target_": "dvpt_monai.transforms.MaskLabelsd", "keys": "label", "values": "@label_values"}


def check_labels() -> Config:
    """An error for a mask with a value that is no class."""
    return {"_target_": "dvpt_monai.transforms.CheckLabeld", "keys": "label", "num_classes": "@num_classes"}


def window(low: float = 0, high: float = 255) -> Config:
    """Values from low to high become 0 to 1; those beyond are cut off, which 8 bits do not have."""
    bounds: Config = {"a_min": _number(low), "a_max": _number(high), "b_min": 0.0, "b_max": 1.0}
    clip = {} if (low, high) == (0, 255) else {"clip": True}
    return {"_target_": "ScaleIntensityRanged", "keys": "image", **bounds, **clip}


def percentiles(channels: int = 1) -> Config:
    """From 0 to 1 between an image's own 1st and 99th percentile, or those of each of its channels."""
    bounds: Config = {"lower": 1, "upper": 99, "b_min": 0.0, "b_max": 1.0, "clip": True}
    each = {"channel_wise": True} if channels > 1 else {}
    return {"_target_": "ScaleIntensityRangePercentilesd", "keys": "image", **bounds, **each}


def to_ras(keys: Keys) -> Config:
    """A volume turned so that its axes run to the right, to the front and up."""
    return {"_target_": "Orientationd", "keys": keys, "axcodes": "RAS", "labels": None}


def resample(keys: Keys, **options: str) -> Config:
    """A volume at the spacing of the config."""
    target = "dvpt_monai.transforms.Spacingd"
    return {"_target_": target, **options, "keys": keys, "pixdim": "@spacing", "mode": _mode(keys, "bilinear")}


def pad(keys: Keys) -> Config:
    """At least as large as what the network sees."""
    return {"_target_": "SpatialPadd", "keys": keys, "spatial_size": "@image_size"}


def random_window() -> Config:
    """A window of a volume, anywhere."""
    return {"_target_": "RandSpatialCropd", "keys": BOTH, "roi_size": "@image_size", "random_size": False}


def window_of_a_structure() -> Config:
    """A window of a volume; half of them are drawn around a structure, which most others would miss."""
    sampling: Config = {"pos": 1, "neg": 1, "num_samples": 1}
    return {
        "_target_": "RandCropByPosNegLabeld",
        "keys": BOTH,
        "label_key": "label",
        "spatial_size": "@image_size",
        **sampling,
    }


def window_of_regions() -> Config:
    """A window of a volume around a region, which may overlap others, as often as around another or none."""
    return {
        "_target_": "dvpt_monai.transforms.RandCropStructuresd",
        "keys": BOTH,
        "label_key": "label",
        "spatial_size": "@image_size",
    }


def flip(keys: Keys, axis: int) -> Config:
    """Half of all images mirrored along an axis: of photographs 0 is the height, of volumes 0 is left to right."""
    return {"_target_": "RandFlipd", "keys": keys, "prob": 0.5, "spatial_axis": axis}


def affine(
    keys: Keys, prob: float, *, rotate: Any, scale: Any, translate: Any = None, padding: str = "zeros"
) -> Config:
    """Turned by radians, scaled by a share, shifted by pixels, at most."""
    shift = {} if translate is None else {"translate_range": translate}
    return {
        "_target_": "RandAffined",
        "keys": keys,
        "prob": prob,
        "rotate_range": rotate,
        "scale_range": scale,
        **shift,
        "mode": _mode(keys, "bilinear"),
        "padding_mode": padding,
    }


def brightness(prob: float) -> Config:
    """Brighter or darker by at most a fifth."""
    return {"_target_": "RandScaleIntensityd", "keys": "image", "prob": prob, "factors": 0.2}


def contrast() -> Config:
    """Another gamma for half of all images."""
    return {"_target_": "RandAdjustContrastd", "keys": "image", "prob": 0.5, "gamma": [0.75, 1.33]}


def noise() -> Config:
    """A little noise in a quarter of all images."""
    return {"_target_": "RandGaussianNoised", "keys": "image", "prob": 0.25, "std": 0.03}


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value
