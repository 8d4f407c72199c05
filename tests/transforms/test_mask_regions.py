"""Regions of a mask and back, and pixels of which nothing is known."""

import pytest
import torch
from monai.data import MetaTensor

from dvpt_monai.errors import DataError
from dvpt_monai.losses import KnownPixelsLoss
from dvpt_monai.transforms import MaskLabelsd, MaskRegionsd, RegionMapd, WithoutUnknownd


def test_regions_and_back():
    mask = torch.randint(0, 4, (1, 6, 7, 5), generator=torch.Generator().manual_seed(0))
    regions = MaskRegionsd("label", regions=[[1, 2, 3], [2, 3], [3]])({"label": mask})["label"]
    assert regions.shape == (3, 6, 7, 5) and regions[0].sum() >= regions[1].sum() >= regions[2].sum() > 0
    assert RegionMapd("label", values=[1, 2, 3])({"label": regions})["label"].equal(mask.int())


def test_the_file_stays_known():
    mask = MetaTensor(torch.ones(1, 2, 2), meta={"filename_or_obj": "a.nii"})
    assert MaskRegionsd("label", regions=[[1]])({"label": mask})["label"].meta["filename_or_obj"] == "a.nii"
    with pytest.raises(DataError, match=r"label a.nii: value 1; a mask has one channel, and holds of 0, 2"):
        MaskRegionsd("label", regions=[[2]])({"label": mask})
    with pytest.raises(DataError, match="2 channels for 1 regions"):
        RegionMapd("pred", values=[1])({"pred": torch.zeros(2, 3, 3)})


def test_an_ignored_value_is_unknown_and_others_are_still_refused():
    step = MaskLabelsd("label", values=[0, 7], ignored=9)
    assert step({"label": torch.tensor([[[0, 7, 9]]])})["label"].tolist() == [[[0.0, 1.0, -1.0]]]
    with pytest.raises(DataError, match="value 8"):
        step({"label": torch.tensor([[[0, 8, 9]]])})


@pytest.mark.parametrize("overlapping", [False, True])
def test_the_loss_is_that_of_the_known_pixels(overlapping):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    labels = torch.randint(0, 2, (2, 3, 8, 8)) if overlapping else torch.randint(0, 3, (2, 1, 8, 8))
    labels[..., 4:] = -1
    loss = KnownPixelsLoss(overlapping)
    assert torch.isclose(loss(logits, labels), loss(logits[..., :4], labels[..., :4]))
    loss(logits, labels).backward()
    assert logits.grad[..., 4:].abs().max() == 0 < logits.grad[..., :4].abs().max()


def test_with_every_pixel_known_it_is_that_of_monai():
    from monai.losses import DiceCELoss, DiceLoss

    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 1, 8, 8))
    theirs = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False)(logits, labels)
    assert torch.isclose(KnownPixelsLoss()(logits, labels), theirs)
    inside = torch.randint(0, 2, (2, 3, 8, 8)).float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, inside)
    assert torch.isclose(
        KnownPixelsLoss(overlapping=True)(logits, inside), DiceLoss(sigmoid=True)(logits, inside) + entropy
    )


def test_without_a_known_pixel_nothing_is_learned():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = KnownPixelsLoss()(logits, torch.full((1, 1, 4, 4), -1))
    loss.backward()
    assert loss == 0 and logits.grad.abs().max() == 0


def test_unknown_pixels_are_scored_by_nobody():
    case = {"pred": torch.tensor([[1.0, 1, 0]]), "label": torch.tensor([[1.0, -1, 0]])}
    scored = WithoutUnknownd("pred")(case)
    assert scored["pred"].tolist() == scored["label"].tolist() == [[1, 0, 0]]
    assert case["label"].tolist() == [[1, -1, 0]]
