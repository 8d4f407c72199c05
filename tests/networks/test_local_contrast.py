"""What is brighter or darker than its surroundings, against scipy's Gaussian, and in the stem of a UNETR."""

import copy

import pytest
import torch
from scipy.ndimage import gaussian_filter

from dvpt_monai import UNETR, LinearProbe, tune
from dvpt_monai.networks.local_contrast import FLOOR, LocalContrast
from dvpt_monai.tuning import from_activations, frozen_activations

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 4, "feature_size": 2}


@pytest.mark.parametrize("size", [(40, 31), (12, 20, 9)], ids=["2d", "3d"])
def test_it_is_the_gaussian_of_scipy(size):
    x = torch.rand(2, 3, *size, dtype=torch.float64)

    def blurred(channel):
        return gaussian_filter(channel, 2.0, mode="nearest", radius=6)

    ours = LocalContrast(2.0, spatial_dims=len(size)).double()(x)
    for one, theirs in zip(ours.flatten(0, 1), x.flatten(0, 1).numpy(), strict=True):
        deviation = theirs - blurred(theirs)
        oracle = deviation / (blurred(deviation**2) + FLOOR**2) ** 0.5
        assert torch.allclose(one, torch.from_numpy(oracle), atol=1e-6)


def test_light_changes_nothing_and_an_even_image_has_no_contrast():
    contrast, x = LocalContrast(3.0, spatial_dims=2), 10 * torch.rand(1, 1, 32, 32)
    assert torch.allclose(contrast(x), contrast(3 * x + 5), atol=2e-2)
    assert not torch.allclose(x, 3 * x + 5)  # which the image itself does not have
    assert contrast(torch.full((1, 1, 32, 32), 4.0)).abs().max() < 1e-4


def test_a_sigma_is_positive():
    with pytest.raises(ValueError, match="sigma must be above 0, not 0"):
        LocalContrast(0, spatial_dims=2)


def unetr(contrast, dims=2):
    torch.manual_seed(0)
    return UNETR(in_channels=3, out_channels=2, img_size=32, spatial_dims=dims, contrast=contrast, **SMALL).eval()


@pytest.mark.parametrize("dims", [2, 3])
def test_the_stem_of_a_unetr_reads_it_beside_the_image(dims):
    net, x = unetr(4.0, dims), torch.rand(1, 3, *[32] * dims)
    assert net(x).shape == (1, 2, *[32] * dims)
    blind = copy.deepcopy(net)
    blind.encoder1.layer.conv1.conv.weight.data[:, 3:] = 0
    blind.encoder1.layer.conv3.conv.weight.data[:, 3:] = 0
    assert not torch.allclose(net(x), blind(x))
    other = copy.deepcopy(blind)
    other.contrast = LocalContrast(1.0, spatial_dims=dims)
    assert torch.equal(blind(x), other(x))  # nothing else reads it


def test_without_it_a_unetr_is_as_before():
    names = unetr(None).state_dict()
    assert unetr(None).contrast is None
    assert names.keys() == unetr(4.0).state_dict().keys()  # nothing of it is stored
    assert names["encoder1.layer.conv1.conv.weight"].shape[1] == 3


def test_it_scripts_and_runs_from_activations():
    net = tune(unetr(4.0), LinearProbe()).eval()
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(torch.jit.script(net)(x), net(x), atol=1e-6)
    assert torch.allclose(from_activations(net, frozen_activations(net, x)), net(x), atol=1e-6)
