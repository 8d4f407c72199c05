"""What gets tuned: vision transformers and UNETR in 2D and 3D."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.networks.classifier import ViTClassifier
    from dvpt_monai.networks.pretrained import Receipt, load_pretrained
    from dvpt_monai.networks.slices import SliceClassifier
    from dvpt_monai.networks.unetr import UNETR
    from dvpt_monai.networks.vit import Block, ViTEncoder
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "classifier": "ViTClassifier",
            "pretrained": "Receipt load_pretrained",
            "slices": "SliceClassifier",
            "unetr": "UNETR",
            "vit": "Block ViTEncoder",
        },
    )

__all__ = ["UNETR", "Block", "Receipt", "SliceClassifier", "ViTClassifier", "ViTEncoder", "load_pretrained"]
