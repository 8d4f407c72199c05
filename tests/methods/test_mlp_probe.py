"""MLPProbe: hidden layers before the head of a classifier, and before every pixel's output of a UNETR."""

import pytest
import torch
from torch import nn

from dvpt_monai import UNETR, MLPProbe, TuningError, report, tune


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("pooling", ["cls", "cls+mean"])
def test_the_head_reads_hidden_layers(vit, wake, image, depth, pooling):
    tuned = wake(tune(vit(pooling=pooling), MLPProbe(depth=depth)))
    state = tuned.state_dict()
    x = image(tuned)
    y = tuned.features(x)
    for layer in range(depth - 1):
        name = f"head.tuner.mlp.{2 * layer}"
        y = (y @ state[f"{name}.weight"].T + state[f"{name}.bias"]).clamp(min=0)
    torch.testing.assert_close(tuned(x), y @ state["head.weight"].T + state["head.bias"])


@pytest.mark.parametrize("dims", [2, 3])
def test_a_unetrs_pixels_are_read_one_by_one(wake, dims):
    torch.manual_seed(0)
    sizes = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 3, "feature_size": 4}
    network = UNETR(in_channels=1, out_channels=2, img_size=16, spatial_dims=dims, **sizes).double().eval()
    wake(tune(network, MLPProbe(depth=3)))
    maps = []
    network.out.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0]))
    y = network(torch.rand(2, 1, *[16] * dims, dtype=torch.float64))
    state = network.state_dict()
    kernel, bias = (state[f"out.conv.conv.{part}"] for part in ("weight", "bias"))
    assert y.shape == (2, 2, *[16] * dims)
    for place in [(0,) * dims, (3, 14, 7)[:dims], (15,) * dims]:
        pixel = maps[0][(slice(None), slice(None), *place)]
        for name in ("out.tuner.mlp.0", "out.tuner.mlp.2"):
            pixel = (pixel @ state[f"{name}.weight"].T + state[f"{name}.bias"]).clamp(min=0)
        torch.testing.assert_close(y[(slice(None), slice(None), *place)], pixel @ kernel.flatten(1).T + bias)


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(MLPProbe())).method == 2 * (768 * 768 + 768)


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (0, "depth must be a whole number of at least 1, not 0"),
        (True, "depth must be a whole number of at least 1, not True"),
        (1, "depth counts the head and must be at least 2; LinearProbe is the head alone"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(depth, message):
    with pytest.raises(TuningError, match=f"MLPProbe: {message}"):
        MLPProbe(depth=depth)


def test_a_network_without_a_linear_head_is_refused(vit, unchanged):
    network = vit()
    with unchanged(network.vit), pytest.raises(TuningError, match="MLPProbe: ViTEncoder has no head or out"):
        tune(network.vit, MLPProbe())
    network.head = nn.Identity()
    with unchanged(network), pytest.raises(TuningError, match="MLPProbe: head of ViTClassifier has no linear layer"):
        tune(network, MLPProbe(), train=["vit.norm.*"])
