"""What is brighter or darker than its surroundings, against scipy's Gaussian, and in the stem of a UNETR."""

import copy
import math

import pytest
import torch
from scipy.ndimage import gaussian_filter

from dvpt_monai import UNETR, AdapterError, LinearProbe, load_adapter, save_adapter, tune
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


@pytest.mark.parametrize("sigma", [0, -1.0, math.nan, math.inf, "12"])
def test_a_sigma_is_positive(sigma):
    with pytest.raises(ValueError, match=f"sigma must be a finite number above 0, not {sigma}"):
        LocalContrast(sigma, spatial_dims=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_round_what_an_even_region_has(dtype):
    """Its light is a hundred times what is looked for there."""
    contrast, x = LocalContrast(4.0, spatial_dims=2), 5.3 + 0.02 * torch.randn(1, 1, 32, 32)
    with torch.autocast("cpu", dtype):
        seen, rounded = contrast(x), contrast.compared(x)
    assert torch.equal(seen, contrast(x))
    assert (rounded - seen).abs().max() > 0.02
    assert contrast.to("meta")(x.to("meta")).shape == x.shape


def test_an_adapter_of_another_sigma_is_refused(tmp_path):
    """Its tensors would fit."""
    path = save_adapter(tune(unetr(4.0), LinearProbe()), tmp_path / "a.safetensors")
    load_adapter(unetr(4.0), path)
    with pytest.raises(AdapterError, match=r"trained with sigma=4\.0, this UNETR has sigma=12\.0"):
        load_adapter(unetr(12.0), path)


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
