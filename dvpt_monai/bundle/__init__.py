"""What a bundle's configs call beside MONAI and the package itself."""

from dvpt_monai.bundle.adapters import WithSpread, trained_files, with_adapters
from dvpt_monai.bundle.backbone import load_backbone
from dvpt_monai.bundle.cache_dataset import CacheDataset
from dvpt_monai.bundle.channels import find_channels
from dvpt_monai.bundle.checked_weights import checks_weights
from dvpt_monai.bundle.images import find_images, shows_phantoms
from dvpt_monai.bundle.interval import interval
from dvpt_monai.bundle.lock import lock
from dvpt_monai.bundle.normalization import normalization
from dvpt_monai.bundle.options import check_options
from dvpt_monai.bundle.plain_errors import plain_errors
from dvpt_monai.bundle.processes import leave_processes
from dvpt_monai.bundle.replaced import warn_of_replacing
from dvpt_monai.bundle.root import root
from dvpt_monai.bundle.trained_settings import check_trained, trained, trained_method
from dvpt_monai.bundle.volumes import volume_classifier, volume_unetr
from dvpt_monai.bundle.writable import check_writable
from dvpt_monai.bundle.written import written
from dvpt_monai.moved import moved

__all__ = [
    "CacheDataset",
    "WithSpread",
    "check_options",
    "check_trained",
    "check_writable",
    "checks_weights",
    "find_channels",
    "find_images",
    "interval",
    "leave_processes",
    "load_backbone",
    "lock",
    "normalization",
    "plain_errors",
    "root",
    "shows_phantoms",
    "trained",
    "trained_files",
    "trained_method",
    "volume_classifier",
    "volume_unetr",
    "warn_of_replacing",
    "with_adapters",
    "written",
]

TRANSFORMS = ("DecideGraded", "LabelMapd", "LoadImaged", "SaveImageMasksd", "SaveMaskd", "Spacingd")
__getattr__ = moved(
    __name__,
    {
        **dict.fromkeys(TRANSFORMS, "dvpt_monai.transforms"),
        "Autocast": "dvpt_monai.inferers",
        "one_cycle": "dvpt_monai.optimizers",
    },
)
