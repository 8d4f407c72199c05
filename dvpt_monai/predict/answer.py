"""What a network answers, before anything is made of it."""

from __future__ import annotations

from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.torch_file import finite

__all__ = ["check_finite"]


def check_finite(answer: Tensor, name: str) -> None:
    """Refuse NaN and infinity, of which the argmax would be a class like any other.

    Args:
        answer: of the network, or a part of it.
        name: of the image.

    Raises:
        DataError: names the image.
    """
    if not finite(answer):
        raise DataError(f"{name}: the network answers NaN or infinity; its weights or this image are at fault")
