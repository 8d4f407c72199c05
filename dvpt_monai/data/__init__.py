"""Data sets: find, list, check, split, record and weigh them."""

from dvpt_monai.data.copies import without_copies
from dvpt_monai.data.decathlon import read_decathlon
from dvpt_monai.data.find import find_data
from dvpt_monai.data.findings import read_findings
from dvpt_monai.data.grades import read_grade
from dvpt_monai.data.masks import read_masks
from dvpt_monai.data.medfmc import MEDFMC_LABELS, FewShot, medfmc_labels, medfmc_shots, read_medfmc
from dvpt_monai.data.medmnist import fetch_medmnist, find_medmnist, medmnist_file, medmnist_folder
from dvpt_monai.data.medmnist_sets import MEDMNIST
from dvpt_monai.data.medmnist_unpack import unpack_medmnist
from dvpt_monai.data.parts import Parts, read_parts, recorded_test, write_parts
from dvpt_monai.data.replay import ReplayLoader
from dvpt_monai.data.splits import count_parts, fold_cases, holdout, split
from dvpt_monai.data.subsets import label_fraction, shots
from dvpt_monai.data.table import read_csv
from dvpt_monai.data.validation import train_and_validation
from dvpt_monai.data.weights import balanced_sampler, class_weights, positive_weights
from dvpt_monai.moved import moved

__all__ = [
    "MEDFMC_LABELS",
    "MEDMNIST",
    "FewShot",
    "Parts",
    "ReplayLoader",
    "balanced_sampler",
    "class_weights",
    "count_parts",
    "fetch_medmnist",
    "find_data",
    "find_medmnist",
    "fold_cases",
    "holdout",
    "label_fraction",
    "medfmc_labels",
    "medfmc_shots",
    "medmnist_file",
    "medmnist_folder",
    "positive_weights",
    "read_csv",
    "read_decathlon",
    "read_findings",
    "read_grade",
    "read_masks",
    "read_medfmc",
    "read_parts",
    "recorded_test",
    "shots",
    "split",
    "train_and_validation",
    "unpack_medmnist",
    "without_copies",
    "write_parts",
]

TRANSFORMS = (
    "CheckLabeld",
    "CheckShaped",
    "EnsureRGBd",
    "LoadMasksd",
    "MaskLabelsd",
    "RandCropStructuresd",
    "ReadFindingsd",
    "ReadGraded",
)
PHANTOMS = (
    "draw_adrenal",
    "draw_chest",
    "draw_fundus",
    "draw_hippocampus",
    "draw_lesions",
    "is_phantom",
    "write_adrenal",
    "write_fundus",
    "write_hippocampus",
    "write_lesions",
    "write_medfmc",
)
__getattr__ = moved(
    __name__,
    {
        **dict.fromkeys(TRANSFORMS, "dvpt_monai.transforms"),
        **dict.fromkeys(PHANTOMS, "dvpt_monai.phantoms"),
        "DataError": "dvpt_monai.errors",
    },
)
