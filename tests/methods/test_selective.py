"""The selective methods on MONAI's own network, which carries norms that nothing uses."""

import pytest
import torch
from monai.networks.nets import ViT as MonaiViT

from dvpt_monai import BitFit, FullFineTuning, LinearProbe, NormTuning, PartialFineTuning, Stack, tune


def monai_vit():
    torch.manual_seed(0)
    sizes = {"hidden_size": 12, "mlp_dim": 24, "num_layers": 3, "num_heads": 2, "spatial_dims": 2}
    return MonaiViT(
        1, 16, 8, **sizes, classification=True, num_classes=3, post_activation=None, qkv_bias=True, dropout_rate=0.1
    )


@pytest.mark.parametrize(
    "method",
    [LinearProbe(), PartialFineTuning(2), BitFit(), NormTuning(), FullFineTuning(), Stack(BitFit(), NormTuning())],
    ids=lambda method: type(method).__name__,
)
def test_what_trains_is_used_so_that_ddp_runs(method):
    network = tune(monai_vit(), method, train=["classification_head.*"]).train()
    assert not any(p.requires_grad for key, p in network.named_parameters() if "norm_cross_attn" in key)
    network(torch.rand(2, 1, 16, 16))[0].square().sum().backward()
    trained = {key: p for key, p in network.named_parameters() if p.requires_grad}
    assert {"classification_head.weight", "classification_head.bias"} <= trained.keys()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained.values())
    assert all(p.grad.abs().max() > 0 for p in trained.values())


def test_the_probe_keeps_the_backbone_calm():
    network = tune(monai_vit(), LinearProbe(), train=["classification_head.*"]).train()
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(network(x)[0], network(x)[0])
