import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Spacingd as MonaiSpacingd

from dvpt_monai.transforms import Spacingd, spacing

AFFINES = {
    "upright": np.diag([1.0, 1.2, 2.0, 1.0]),
    "oblique": np.array([[0.8, -0.6, 0, 5], [0.6, 0.8, 0, 2], [0, 0, 3.0, 1], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("pixdim", [(0.7, 1.0, 1.5), (3.0, 1.2, 2.0), (1.0, 1.2, 2.0), (20.0, 20.0, 20.0)])
def test_in_rows_a_volume_becomes_what_it_becomes_at_once(monkeypatch, affine, mode, pixdim):
    torch.manual_seed(0)
    volume = MetaTensor(torch.randn(2, 13, 11, 9), affine=torch.as_tensor(affine))
    whole = MonaiSpacingd("image", pixdim=pixdim, mode=mode)
    rows = Spacingd("image", pixdim=pixdim, mode=mode)
    monkeypatch.setattr(spacing, "LARGE", 1)
    one, other = (step({"image": volume.clone()})["image"] for step in (whole, rows))
    assert one.shape == other.shape and torch.allclose(one.as_tensor(), other.as_tensor(), atol=1e-6)
    np.testing.assert_allclose(one.affine, other.affine)
    back = [step.inverse({"image": image})["image"] for step, image in ((whole, one), (rows, other))]
    assert back[0].shape == back[1].shape == volume.shape
    assert torch.allclose(back[0].as_tensor(), back[1].as_tensor(), atol=1e-6)
    np.testing.assert_allclose(back[1].affine, volume.affine)
