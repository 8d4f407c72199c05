"""Pre-trained weights of other projects into this package's encoders: one foreign layout, one file."""

from typing import TYPE_CHECKING

from dvpt_monai.lazy import lazy

if TYPE_CHECKING:
    from dvpt_monai.networks.pretrained.load import build_pretrained, load_pretrained
    from dvpt_monai.networks.pretrained.receipt import Receipt
else:
    __getattr__, __dir__ = lazy(__name__, {"load": "build_pretrained load_pretrained", "receipt": "Receipt"})

__all__ = ["Receipt", "build_pretrained", "load_pretrained"]
