"""Data sets: find, list, check, split, and generate them."""

from dvpt_monai.data.crops import RandCropStructuresd
from dvpt_monai.data.errors import DataError
from dvpt_monai.data.find import find_data
from dvpt_monai.data.findings import ReadFindingsd, read_findings
from dvpt_monai.data.grades import ReadGraded, read_grade
from dvpt_monai.data.lists import read_csv, read_decathlon
from dvpt_monai.data.mask_labels import MaskLabelsd
from dvpt_monai.data.masks import LoadMasksd, read_masks
from dvpt_monai.data.medfmc import MEDFMC_LABELS, FewShot, medfmc_labels, medfmc_shots, read_medfmc
from dvpt_monai.data.medmnist import find_medmnist, medmnist_file, unpack_medmnist
from dvpt_monai.data.phantoms import (
    draw_adrenal,
    draw_chest,
    draw_fundus,
    draw_hippocampus,
    draw_lesions,
    is_phantom,
    write_adrenal,
    write_fundus,
    write_hippocampus,
    write_lesions,
    write_medfmc,
)
from dvpt_monai.data.splits import count_parts, holdout, label_fraction, shots, split
from dvpt_monai.data.transforms import CheckLabeld, CheckShaped, EnsureRGBd
from dvpt_monai.data.validation import train_and_validation
from dvpt_monai.data.weights import balanced_sampler, class_weights, positive_weights

__all__ = [
    "MEDFMC_LABELS",
    "CheckLabeld",
    "CheckShaped",
    "DataError",
    "EnsureRGBd",
    "FewShot",
    "LoadMasksd",
    "MaskLabelsd",
    "RandCropStructuresd",
    "ReadFindingsd",
    "ReadGraded",
    "balanced_sampler",
    "class_weights",
    "count_parts",
    "draw_adrenal",
    "draw_chest",
    "draw_fundus",
    "draw_hippocampus",
    "draw_lesions",
    "find_data",
    "find_medmnist",
    "holdout",
    "is_phantom",
    "label_fraction",
    "medfmc_labels",
    "medfmc_shots",
    "medmnist_file",
    "positive_weights",
    "read_csv",
    "read_decathlon",
    "read_findings",
    "read_grade",
    "read_masks",
    "read_medfmc",
    "shots",
    "split",
    "train_and_validation",
    "unpack_medmnist",
    "write_adrenal",
    "write_fundus",
    "write_hippocampus",
    "write_lesions",
    "write_medfmc",
]
