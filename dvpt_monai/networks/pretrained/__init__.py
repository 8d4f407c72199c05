"""Pre-trained weights of other projects into this package's encoders: one foreign layout, one table."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.networks.pretrained.load import load_pretrained
    from dvpt_monai.networks.pretrained.of_adapter import load_backbone_of
    from dvpt_monai.networks.pretrained.receipt import Receipt
else:
    __getattr__, __dir__ = lazy(
        __name__, {"load": "load_pretrained", "of_adapter": "load_backbone_of", "receipt": "Receipt"}
    )

__all__ = ["Receipt", "load_backbone_of", "load_pretrained"]
