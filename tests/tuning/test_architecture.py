"""What a header tells of a network beside its tensors."""

import pytest
from monai.networks.nets import SwinUNETR
from torch import nn

from dvpt_monai import UNETR, VPT, AdapterError, LoRA, Stack, ViTClassifier, tune
from dvpt_monai.tuning.architecture import architecture, check_architecture

SIZES = {"in_channels": 1, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2}


def test_it_is_the_same_with_tuners():
    network = ViTClassifier(num_classes=2, img_size=16, num_layers=2, eps=1e-5, pooling="cls+mean", **SIZES)
    plain = architecture(network)
    assert plain == {
        "class": "ViTClassifier",
        "num_heads": 2,
        "activation": "gelu",
        "pooling": "cls+mean",
        "patch_size": [8, 8],
        "img_size": [16, 16],
        "eps": 1e-5,
    }
    assert architecture(tune(network, Stack(VPT(num_prompts=2), LoRA(rank=2), LoRA(rank=1)))) == plain


def test_values_that_differ_come_in_their_order():
    swin = SwinUNETR(in_channels=1, out_channels=2, feature_size=12, spatial_dims=2, num_heads=(1, 2, 3, 6))
    assert architecture(swin)["num_heads"] == [1, 2, 3, 6]
    assert architecture(nn.Sequential(nn.LayerNorm(2, eps=1e-5), nn.LayerNorm(2, eps=1e-6))) == {
        "class": "Sequential",
        "eps": [1e-5, 1e-6],
    }
    assert architecture(nn.Linear(2, 2)) == {"class": "Linear"}


def test_what_one_side_does_not_tell_is_not_compared():
    network = UNETR(out_channels=2, feature_size=2, num_layers=3, img_size=16, **SIZES)
    expected = architecture(network)
    check_architecture(network, {}, "a")
    check_architecture(network, {**expected, "class": "another", "pooling": "mean"}, "a")
    with pytest.raises(AdapterError, match="a was trained with num_heads=3, this UNETR has num_heads=2"):
        check_architecture(network, {**expected, "num_heads": 3}, "a")
