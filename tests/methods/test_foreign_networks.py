"""Methods on networks of MONAI: those that change each block alone work there, the others say what would work."""

import pytest
import torch
from monai.networks.nets import UNETR, SwinUNETR, UNet
from torch import nn

from dvpt_monai import (
    CVPT,
    DVPT,
    EVP,
    SSF,
    VPT,
    Adapter,
    AdaptFormer,
    Convpass,
    DoRA,
    GatedVPT,
    LoRA,
    MLPProbe,
    TuningError,
    VisualPrompt,
    merge,
    tune,
)
from dvpt_monai.tuning import trained_tensors

TOKENS = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "feature_size": 2, "spatial_dims": 2}
WINDOWS = {"feature_size": 12, "depths": (1,) * 4, "num_heads": (2,) * 4, "window_size": 2, "spatial_dims": 2}
NETWORKS = {
    "UNETR": lambda: UNETR(1, 2, 32, **TOKENS),
    "SwinUNETR": lambda: SwinUNETR(1, 2, **WINDOWS),
}
OF_BLOCKS = [
    LoRA(rank=2),
    LoRA(rank=2, modules=["*mlp.linear?"]),
    DoRA(rank=2),
    Adapter(bottleneck=4),
    AdaptFormer(bottleneck=4),
    SSF(),
    DVPT(num_prompts=4, bottleneck=3),
]
OF_TOKENS = [
    VPT(),
    VPT(deep=False),
    GatedVPT(),
    CVPT(),
    VisualPrompt(),
    EVP(),
    Convpass(),
    DVPT(aggregate="prefix"),
    DVPT(aggregate="tokens"),
]


def build(name):
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


def label(method):
    return type(method).__name__


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", OF_BLOCKS, ids=label)
def test_methods_of_blocks_tune_train_and_merge(wake, name, method):
    network = build(name)
    x = torch.rand(1, 1, 64, 64) if name == "SwinUNETR" else torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        before = network(x)
    keys = network.state_dict().keys()
    tune(network, method, train=["out*"])
    assert torch.equal(network(x), before)
    wake(network, by=0.05)(x).square().sum().backward()
    trained = [value for value in trained_tensors(network).values() if isinstance(value, nn.Parameter)]
    assert all(value.grad is not None and float(value.grad.abs().max()) > 0 for value in trained)
    assert network.state_dict().keys() >= keys
    if method.merges:
        merged = merge(network)
        assert merged.state_dict().keys() == keys
        torch.testing.assert_close(merged(x), network(x), rtol=1e-4, atol=1e-4)


def test_ssf_scales_the_operations_around_the_blocks_too():
    for name, outside in (("SwinUNETR", ["swinViT.patch_embed.proj"]), ("UNETR", ["vit.norm"])):
        keys = tune(build(name), SSF(), train=["out*"]).state_dict().keys()
        assert all(f"{part}.tuner.scale" in keys for part in outside)
        assert not any("cross_attn" in key for key in keys if ".tuner." in key), "which no forward pass reaches"


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", OF_TOKENS, ids=label)
def test_methods_of_the_token_sequence_are_refused(unchanged, name, method):
    network = build(name)
    message = rf"{label(method)} needs one sequence of all tokens.*{type(network).__name__} has none; use a ViT"
    with unchanged(network), pytest.raises(TuningError, match=message):
        tune(network, method, train=["out*"])


@pytest.mark.parametrize("method", [*OF_BLOCKS[:1], *OF_BLOCKS[2:]], ids=label)
def test_networks_without_transformer_blocks_are_refused(unchanged, method):
    unet = UNet(spatial_dims=2, in_channels=1, out_channels=2, channels=(2, 4), strides=(2,))
    for network in (nn.Sequential(nn.Linear(4, 4), nn.ReLU()), unet):
        train = [f"{next(iter(network.state_dict())).split('.')[0]}.*"]
        message = rf"{label(method)}: {type(network).__name__} has no transformer block .* method without blocks"
        with unchanged(network), pytest.raises(TuningError, match=message):
            tune(network, method, train=train)


def test_a_network_without_a_head_to_probe_is_refused(unchanged):
    network = nn.Sequential(nn.Linear(4, 4))
    with unchanged(network), pytest.raises(TuningError, match="MLPProbe: Sequential has no head or out"):
        tune(network, MLPProbe(), train=["0.*"])
