"""Planes of a volume: each plane as the 2D network sees an image, all of them in turn, and no parameter more."""

import pytest
import torch

from dvpt_monai import (
    EPT,
    AdapterError,
    LinearProbe,
    TuningError,
    ViTClassifier,
    ViTEncoder,
    load_adapter,
    load_pretrained,
    read_header,
    save_adapter,
    tune,
)
from dvpt_monai.networks.planes import PlaneAttention

SMALL = {"in_channels": 1, "patch_size": 4, "hidden_size": 16, "mlp_dim": 24, "num_heads": 2, "num_registers": 1}
VOLUME = {**SMALL, "img_size": (8, 12, 16), "spatial_dims": 3}


def encoder(**more):
    torch.manual_seed(0)
    network = ViTEncoder(**{**VOLUME, "num_layers": 4, **more}).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return network


@pytest.mark.parametrize("across", [0, 1, 2])
@pytest.mark.parametrize("appended", [(0, 0), (3, 3), (0, 1)])  # tokens behind the patches, keys behind the patches
def test_the_attention_is_that_of_each_plane(across, appended):
    torch.manual_seed(0)
    first, grid = 2, (2, 3, 4)
    attend = PlaneAttention(first, grid, across)
    q, k, v = (torch.randn(2, 2, first + 24 + more, 5, dtype=torch.float64) for more in (*appended, appended[1]))
    y = attend(q, k, v, 0.5)
    assert y.shape == q.shape
    numbers = torch.arange(24).view(grid)
    others = [0, 1, *range(first + 24, q.shape[2])]
    means = torch.zeros_like(q[:, :, others])
    for plane in range(grid[across]):
        patches = [first + int(i) for i in numbers.select(across, plane).flatten()]
        keys = [0, 1, *patches, *range(first + 24, k.shape[2])]
        weights = (q[:, :, others + patches] @ k[:, :, keys].transpose(-1, -2) * 0.5).softmax(-1)
        expected = weights @ v[:, :, keys]
        torch.testing.assert_close(y[:, :, patches], expected[:, :, len(others) :])
        means += expected[:, :, : len(others)] / grid[across]
    torch.testing.assert_close(y[:, :, others], means)


@pytest.mark.parametrize("rotary", [None, {}])
def test_one_block_sees_slices_as_the_2d_network_does(rotary):
    torch.manual_seed(0)
    positions = {"positions": rotary is None, "rotary": rotary, "taps": (0,), "num_layers": 4}
    flat = ViTEncoder(**{**SMALL, "img_size": 8, **positions}).eval()
    torch.nn.init.normal_(flat.cls_token)
    volumes = {**VOLUME, **positions, "img_size": (8, 8, 16)}
    deep = ViTEncoder(**volumes, planes=True).eval()
    load_pretrained(deep, flat.state_dict())
    slices = torch.rand(1, 1, 8, 8, 4)
    volume = slices.repeat_interleave(4, -1)  # constant within each patch along z
    seen = deep(volume)[1][0]
    expected = torch.stack([flat(slices[..., z])[1][0] for z in range(4)], -1)
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)
    without = ViTEncoder(**{**volumes, "rotary": None}).eval()
    without.load_state_dict(deep.state_dict())
    assert (without(volume)[1][0] - expected).abs().max() > 1e-3


def test_all_blocks_together_see_the_whole_volume_with_no_parameter_more():
    network = encoder(planes=True, cls_token=False, num_registers=0, taps=(0, 1))
    assert network.planes == [2, 0, 1, 2]
    x = torch.rand(1, 1, 8, 12, 16, dtype=torch.float64)
    other = x.clone()
    other[..., 12:] += torch.rand(4, dtype=torch.float64)
    (tokens, maps), (others, seen) = network(x), network(other)
    assert torch.equal(maps[0][..., :3], seen[0][..., :3]), "the first block sees planes across z"
    assert (maps[1][..., :3] - seen[1][..., :3]).abs().max() > 1e-6
    assert (tokens - others).abs().amin(-1).min() > 1e-9
    assert encoder(planes=True).state_dict().keys() == encoder().state_dict().keys()


@pytest.mark.parametrize("rotary", [None, {}])
def test_resize_follows(rotary):
    network = encoder(planes=True, rotary=rotary, positions=rotary is None)
    network.resize((16, 8, 8))
    fresh = encoder(planes=True, rotary=rotary, positions=rotary is None, img_size=(16, 8, 8))
    fresh.load_state_dict(network.state_dict())
    x = torch.rand(1, 1, 16, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(network(x)[0], fresh(x)[0], rtol=1e-6, atol=1e-6)


def test_an_adapter_knows_its_planes(tmp_path):
    def network(planes):
        torch.manual_seed(0)
        return ViTClassifier(num_classes=2, num_layers=2, planes=planes, **VOLUME)

    path = save_adapter(tune(network(True), LinearProbe()), tmp_path / "adapter.safetensors")
    assert read_header(path)["network"]["planes"] == [2, 0]
    load_adapter(network(True), path)
    with pytest.raises(AdapterError, match=r"planes=\[2, 0\], this ViTClassifier has planes=None"):
        load_adapter(network(False), path)
    plain = save_adapter(tune(network(False), LinearProbe()), tmp_path / "plain.safetensors")
    assert "planes" not in read_header(plain)["network"]
    with pytest.raises(AdapterError, match="planes=None"):
        load_adapter(network(True), plain)


def test_images_have_no_planes():
    with pytest.raises(ValueError, match="planes is for spatial_dims=3"):
        ViTEncoder(**SMALL, img_size=8, planes=True)


@pytest.mark.parametrize("variant", ["add", "multiply", "multiply-concat"])
def test_scores_of_all_pairs_are_refused(variant):
    network = ViTClassifier(num_classes=2, num_layers=2, planes=True, **VOLUME)
    with pytest.raises(TuningError, match="which planes have not"):
        tune(network, EPT(variant=variant))
