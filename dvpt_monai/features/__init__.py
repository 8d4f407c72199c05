"""What stands before the first tuner, computed once and kept: training from files of activations."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.features.cache import FeatureCache
    from dvpt_monai.features.dataset import CachedDataset
    from dvpt_monai.features.network import FromFeatures, PrepareFeatures, TakesFeatures
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "cache": "FeatureCache",
            "dataset": "CachedDataset",
            "network": "FromFeatures PrepareFeatures TakesFeatures",
        },
    )

__all__ = ["CachedDataset", "FeatureCache", "FromFeatures", "PrepareFeatures", "TakesFeatures"]
