"""Dictionary transforms that MONAI lacks, or has in a form that loses something."""

from dvpt_monai.transforms.check import CheckLabeld, CheckShaped
from dvpt_monai.transforms.colours import EnsureRGBd
from dvpt_monai.transforms.crops import RandCropStructuresd
from dvpt_monai.transforms.decide import DecideGraded
from dvpt_monai.transforms.findings import ReadFindingsd
from dvpt_monai.transforms.grades import ReadGraded
from dvpt_monai.transforms.label_map import LabelMapd
from dvpt_monai.transforms.load import LoadImaged
from dvpt_monai.transforms.load_masks import LoadMasksd
from dvpt_monai.transforms.mask_regions import MaskRegionsd, RegionMapd
from dvpt_monai.transforms.mask_values import MaskLabelsd
from dvpt_monai.transforms.pairs import CheckPaird
from dvpt_monai.transforms.save import SaveMaskd
from dvpt_monai.transforms.save_masks import SaveImageMasksd
from dvpt_monai.transforms.save_segmentation import SaveImageSegmentationd
from dvpt_monai.transforms.spacing import Spacingd
from dvpt_monai.transforms.spread import SplitSpreadd
from dvpt_monai.transforms.unknown import WithoutUnknownd

__all__ = [
    "CheckLabeld",
    "CheckPaird",
    "CheckShaped",
    "DecideGraded",
    "EnsureRGBd",
    "LabelMapd",
    "LoadImaged",
    "LoadMasksd",
    "MaskLabelsd",
    "MaskRegionsd",
    "RandCropStructuresd",
    "ReadFindingsd",
    "ReadGraded",
    "RegionMapd",
    "SaveImageMasksd",
    "SaveImageSegmentationd",
    "SaveMaskd",
    "Spacingd",
    "SplitSpreadd",
    "WithoutUnknownd",
]
