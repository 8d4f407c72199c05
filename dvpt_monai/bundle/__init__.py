"""What a bundle's configs need beside MONAI and the package itself."""

from dvpt_monai.bundle.autocast import Autocast
from dvpt_monai.bundle.backbone import load_backbone
from dvpt_monai.bundle.grade import DecideGraded
from dvpt_monai.bundle.images import find_images, shows_phantoms
from dvpt_monai.bundle.label_map import LabelMapd
from dvpt_monai.bundle.load_image import LoadImaged
from dvpt_monai.bundle.normalization import normalization
from dvpt_monai.bundle.options import check_options
from dvpt_monai.bundle.plain_errors import plain_errors
from dvpt_monai.bundle.replaced import warn_of_replacing
from dvpt_monai.bundle.root import root
from dvpt_monai.bundle.save_masks import SaveImageMasksd, SaveMaskd
from dvpt_monai.bundle.schedule import interval, one_cycle
from dvpt_monai.bundle.spacing import Spacingd
from dvpt_monai.bundle.trained_settings import check_trained

__all__ = [
    "Autocast",
    "DecideGraded",
    "LabelMapd",
    "LoadImaged",
    "SaveImageMasksd",
    "SaveMaskd",
    "Spacingd",
    "check_options",
    "check_trained",
    "find_images",
    "interval",
    "load_backbone",
    "normalization",
    "one_cycle",
    "plain_errors",
    "root",
    "shows_phantoms",
    "warn_of_replacing",
]
