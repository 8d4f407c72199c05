import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from dvpt_monai.errors import DataError
from dvpt_monai.transforms import MaskLabelsd

FILE = {"filename_or_obj": "masks/a.png"}


@pytest.mark.parametrize("values", [[0, 255], [0, 1, 4], [10, 20, 30], [0, 85, 170, 255]])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_numbered_in_their_order(values, channels):
    places = np.random.default_rng(0).integers(0, len(values), (1, 9, 7))
    mask = torch.tensor(np.asarray(values)[places]).repeat(channels, 1, 1)
    labels = MaskLabelsd("label", values)({"label": MetaTensor(mask, meta=FILE)})["label"]
    assert np.array_equal(labels, places) and labels.meta["filename_or_obj"] == "masks/a.png"


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_is_left_out(channels):
    mask = torch.full((channels, 3, 3), 7)
    mask[-1] = 255
    assert MaskLabelsd("label", [0, 7])({"label": mask})["label"].tolist() == [[[1.0] * 3] * 3]


def test_another_value_is_named_with_its_file():
    mask = MetaTensor(torch.tensor([[[0, 255, 128]]]), meta=FILE)
    with pytest.raises(DataError, match=r"label masks/a.png: value 128 is none of 0, 255"):
        MaskLabelsd("label", [0, 255])({"label": mask})


def test_colours_are_refused():
    mask = torch.zeros(3, 4, 4)
    mask[1, 2, 2] = 255
    with pytest.raises(DataError, match="a coloured mask"):
        MaskLabelsd("label", [0, 255])({"label": mask})


def test_keys_that_are_not_there():
    assert MaskLabelsd("label", [0, 1], allow_missing_keys=True)({"image": 1}) == {"image": 1}
    with pytest.raises(KeyError):
        MaskLabelsd("label", [0, 1])({"image": 1})
