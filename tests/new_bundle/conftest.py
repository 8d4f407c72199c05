"""Small data sets in every layout, and a tiny pre-trained backbone."""

import pytest
import torch

from tests.small_data import Data


@pytest.fixture
def data(tmp_path):
    return Data(tmp_path / "my data")  # with a space, as users' folders have


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory):
    """The file of a ViT/14 with registers that trains in a moment."""
    from dvpt_monai import ViTEncoder
    from dvpt_monai.networks.pretrained.convert import convert

    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "mlp_dim": 48, "num_layers": 4, "num_heads": 2}
    encoder = ViTEncoder(in_channels=3, img_size=56, patch_size=14, num_registers=4, **sizes)
    path = tmp_path_factory.mktemp("backbone") / "vit.safetensors"
    convert(encoder.state_dict(), path, "safetensors", normalization=((0.5,) * 3, (0.25,) * 3), num_heads=2)
    return str(path)
