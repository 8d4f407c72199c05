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
from dvpt_monai.data.medmnist import find_medmnist, medmnist_file, unpack_medmnist
from dvpt_monai.data.phantoms import (
    draw_adrenal,
    draw_fundus,
    draw_hippocampus,
    is_phantom,
    write_adrenal,
    write_fundus,
    write_hippocampus,
)
from dvpt_monai.data.transforms import CheckLabeld, EnsureRGBd
from dvpt_monai.data.validation import train_and_validation

__all__ = [
    "CheckLabeld",
    "DataError",
    "EnsureRGBd",
    "balanced_sampler",
    "class_weights",
    "draw_adrenal",
    "draw_fundus",
    "draw_hippocampus",
    "find_data",
    "find_medmnist",
    "holdout",
    "is_phantom",
    "label_fraction",
    "medmnist_file",
    "read_csv",
    "read_decathlon",
    "shots",
    "split",
    "train_and_validation",
    "unpack_medmnist",
    "write_adrenal",
    "write_fundus",
    "write_hippocampus",
]
