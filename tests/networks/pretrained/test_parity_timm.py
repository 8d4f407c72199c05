"""The features of timm's own networks, from random weights, where timm is installed; torchvision need not be."""

import pytest
import torch

from dvpt_monai import PretrainedError, ViTEncoder
from tests.networks.pretrained.hollow import timm_or_skip

timm = timm_or_skip()

SIZES = {"depth": 2, "num_classes": 0}
MODELS = {
    "vit_tiny_patch16_224": {"img_size": 64},
    "vit_small_patch16_224": {"img_size": 64, "global_pool": "avg"},
    "deit_tiny_distilled_patch16_224": {"img_size": 64},
    "vit_small_patch14_dinov2": {"img_size": 70},
    "vit_small_patch14_reg4_dinov2": {"img_size": 70},
    "vit_medium_patch16_reg4_gap_256": {"img_size": 64},
    "vit_base_patch32_clip_224": {"img_size": 96},
    "vit_base_patch32_clip_quickgelu_224": {"img_size": 96},
    "vit_giant_patch14_reg4_dinov2": {"img_size": 70, "embed_dim": 192, "num_heads": 3},
    "vit_small_patch16_dinov3": {"img_size": 64},
    "vit_small_patch16_dinov3_qkvb": {"img_size": 64},
    "vit_small_plus_patch16_dinov3_qkvb": {"img_size": 64},
    "eva02_base_patch14_224": {"img_size": 70, "embed_dim": 192, "num_heads": 3},
    "eva02_large_patch14_clip_224": {"img_size": 70, "embed_dim": 192, "num_heads": 3},
    "vit_base_patch16_siglip_224": {"img_size": 64},
    "vit_so400m_patch16_siglip_256": {"img_size": 64, "embed_dim": 192, "num_heads": 3, "mlp_ratio": 2.0},
    "vit_base_patch16_siglip_gap_224": {"img_size": 64},
}
TANH = "vit_so400m_patch16_siglip_256"


def model_of(name, **arguments):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, **{**SIZES, **arguments}).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            centre = 1.0 if parameter.ndim == 1 and key.endswith("weight") else 0.0
            parameter.copy_(centre + 0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_the_features_are_timms(name):
    model = model_of(name, **MODELS[name])
    known = {"activation": "quick_gelu" if "quickgelu" in name else "gelu"} if "32_clip_" in name else {}
    if "_siglip_" in name:
        known = {"activation": "gelu_tanh" if name == TANH else "gelu"}
    if "dinov3" in name:
        known = {"img_size": 64}
    network = ViTEncoder.from_pretrained(model.state_dict(), **known).eval().double()
    image = torch.randn(1, 3, *network.img_size, dtype=torch.float64)
    with torch.no_grad():
        expected = model.double().fc_norm(model.forward_features(image))
        assert (network(image)[0] - expected).abs().max() < 1e-5


SMALLER = {"eva_giant_patch14_clip_224": {"embed_dim": 192, "num_heads": 3, "depth": 1}}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("eva02_tiny_patch14_224", "no place for"),
        ("eva_giant_patch14_clip_224", "no place for"),
        ("beit_base_patch16_224", "a BEiT"),
        ("swin_tiny_patch4_window7_224", "a Swin transformer"),
        ("samvit_base_patch16", "SAM"),
        ("resnet18", "a ResNet"),
        ("convnext_atto", "a ConvNeXt"),
        ("vit_small_r26_s32_224", "no place for patch_embed.backbone"),
    ],
)
def test_other_networks_are_refused(name, reason):
    with pytest.raises(PretrainedError, match=reason):
        ViTEncoder.from_pretrained(timm.create_model(name, pretrained=False, **SMALLER.get(name, {})).state_dict())
