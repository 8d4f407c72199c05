"""Pre-trained weights of other projects into this package's encoders: one foreign layout, one table."""

from dvpt_monai.networks.pretrained.load import load_pretrained
from dvpt_monai.networks.pretrained.receipt import Receipt

__all__ = ["Receipt", "load_pretrained"]
