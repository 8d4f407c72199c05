"""Pre-trained weights of other projects into this package's encoders: one foreign layout, one file."""

from dvpt_monai.networks.pretrained.load import build_pretrained, load_pretrained
from dvpt_monai.networks.pretrained.receipt import Receipt

__all__ = ["Receipt", "build_pretrained", "load_pretrained"]
