"""What stands before the first tuner, computed once and kept: training from files of activations."""

from dvpt_monai.features.cache import FeatureCache, features_dir
from dvpt_monai.features.dataset import CachedDataset
from dvpt_monai.features.listing import Cached, cached, clear
from dvpt_monai.features.network import FromFeatures, PrepareFeatures, TakesFeatures

__all__ = [
    "Cached",
    "CachedDataset",
    "FeatureCache",
    "FromFeatures",
    "PrepareFeatures",
    "TakesFeatures",
    "cached",
    "clear",
    "features_dir",
]
