"""Data sets: find, list, check, split, and generate them."""

from dvpt_monai.data.datalists import (
    balanced_sampler,
    class_weights,
    holdout,
    label_fraction,
    read_csv,
    read_decathlon,
    shots,
    split,
)
from dvpt_monai.data.errors import DataError
from dvpt_monai.data.find import find_data
from dvpt_monai.data.mask_labels import MaskLabelsd
from dvpt_monai.data.phantoms import draw_fundus, draw_hippocampus, is_phantom, write_fundus, write_hippocampus
from dvpt_monai.data.transforms import CheckLabeld, EnsureRGBd

__all__ = [
    "CheckLabeld",
    "DataError",
    "EnsureRGBd",
    "MaskLabelsd",
    "balanced_sampler",
    "class_weights",
    "draw_fundus",
    "draw_hippocampus",
    "find_data",
    "holdout",
    "is_phantom",
    "label_fraction",
    "read_csv",
    "read_decathlon",
    "shots",
    "split",
    "write_fundus",
    "write_hippocampus",
]
