"""What published networks were trained with: mean and standard deviation of each channel, of values in [0, 1]."""

from __future__ import annotations

__all__ = ["CLIP", "HALF", "IMAGENET", "Normalization"]

Normalization = tuple[tuple[float, ...], tuple[float, ...]]

IMAGENET: Normalization = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Normalization = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF: Normalization = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
