"""A checkpoint and the adapter beside it are of one epoch, or that is an error."""

import pytest
import torch

from dvpt_monai import DVPT, ViTClassifier, save_adapter, tune
from dvpt_monai.errors import CheckpointError
from dvpt_monai.tuning.agreement import check_agreement
from dvpt_monai.tuning.trains import trained_tensors


@pytest.fixture
def network():
    torch.manual_seed(0)
    return tune(ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                              num_layers=1, num_heads=1), DVPT(num_prompts=2, bottleneck=2))  # fmt: skip


def test_those_of_one_epoch_agree(network, tmp_path):
    check_agreement(network.state_dict(), tmp_path / "model.pt")  # without an adapter there is nothing to compare
    save_adapter(network, tmp_path / "adapter.safetensors")
    check_agreement(network.state_dict(), tmp_path / "model.pt")


def test_those_of_two_epochs_do_not(network, tmp_path):
    save_adapter(network, tmp_path / "adapter.safetensors")
    with torch.no_grad():
        next(value for value in trained_tensors(network).values()).flatten()[0] += 1e-6
    with pytest.raises(CheckpointError, match=r"not of the same epoch: .* differs.*--resume auto.*--adapter"):
        check_agreement(network.state_dict(), tmp_path / "model.pt")
    check_agreement(network.state_dict(), tmp_path / "epoch_3.pt")  # which claims nothing


def test_a_damaged_adapter_does_not_keep_a_checkpoint_from_being_used(network, tmp_path, caplog):
    (tmp_path / "adapter.safetensors").write_bytes(b"x")
    check_agreement(network.state_dict(), tmp_path / "model.pt")
    assert "adapter.safetensors" in caplog.text
