"""What a transform computes is the same before it ran and after."""

import threading

import torch
from monai.transforms import Compose, RandFlipd, Resized, SpatialPadd

from dvpt_monai.features.description import described


def chain(size=8):
    return Compose([Resized("image", (size, size)), SpatialPadd("image", (12, 12)), RandFlipd("image", prob=0.5)])


def test_a_transform_that_ran_is_the_same_transform():
    """Or a second training would make its cache of the validation again."""
    transform = chain()
    before = described(transform)
    transform({"image": torch.rand(1, 16, 16)})
    assert described(transform) == before == described(chain())
    assert described(chain(9)) != before


def test_what_is_a_threads_own_is_no_part_of_it():
    class Step:
        pass

    one, other = Step(), Step()
    one.local = threading.local()
    assert described(one) == described(other)
    one.size = 3
    assert described(one) != described(other)
