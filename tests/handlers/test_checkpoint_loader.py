import pytest
import torch
from ignite.engine import Engine
from torch import nn

from dvpt_monai import LinearProbe, ViTClassifier, save_adapter, tune
from dvpt_monai.errors import CheckpointError
from dvpt_monai.handlers import CheckpointLoader


def load(path, network):
    engine = Engine(lambda engine, batch: None)
    CheckpointLoader(str(path), {"model": network}).attach(engine)
    engine.run([0])


def test_every_tensor_is_loaded(tmp_path):
    source, target = nn.Linear(2, 3), nn.Linear(2, 3)
    torch.save(source.state_dict(), tmp_path / "model.pt")
    load(tmp_path / "model.pt", target)
    assert torch.equal(target.weight, source.weight) and torch.equal(target.bias, source.bias)


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.pt: no such file"):
        load(tmp_path / "gone.pt", nn.Linear(2, 3))


@pytest.mark.parametrize(("network", "words"), [(nn.Linear(2, 4), "size mismatch"), (nn.Conv2d(1, 1, 1), "weight"),
                                                (nn.Linear(2, 3, bias=False), "bias")])  # fmt: skip
def test_another_network(tmp_path, network, words):
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=words) as error:
        load(tmp_path / "model.pt", network)
    assert "num_classes" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 half an archive"])
def test_damaged(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pt"):
        load(tmp_path / "model.pt", nn.Linear(2, 3))


def test_the_adapter_beside_it_tells_the_settings(tmp_path):
    net = tune(ViTClassifier(num_classes=3, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                             num_layers=1, num_heads=1), LinearProbe())  # fmt: skip
    torch.save(net.state_dict(), tmp_path / "model.pt")
    (tmp_path / "a-broken.safetensors").write_bytes(b"x")
    save_adapter(net, tmp_path / "adapter.safetensors", {"num_classes": 3})
    with pytest.raises(CheckpointError) as error:
        load(tmp_path / "model.pt", nn.Linear(2, 3))
    assert '"method": "LinearProbe"' in str(error.value) and '"num_classes": 3' in str(error.value)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_names_what_is_left(tmp_path):
    net = tune(ViTClassifier(num_classes=3, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                             num_layers=1, num_heads=1), LinearProbe())  # fmt: skip
    torch.save(net.state_dict(), tmp_path / "model.pt")
    damage(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="damaged") as error:
        load(tmp_path / "model.pt", net)
    assert "Or go on" not in str(error.value)
    torch.save(net.state_dict(), tmp_path / "model.previous.pt")
    save_adapter(net, tmp_path / "adapter.safetensors")
    with pytest.raises(CheckpointError, match=r"--adapter .*adapter\.safetensors.*--checkpoint .*model\.previous\.pt"):
        load(tmp_path / "model.pt", net)
    load(tmp_path / "model.previous.pt", net)


def test_a_network_of_nan_is_refused(tmp_path):
    network = nn.Linear(2, 3)
    torch.save({**network.state_dict(), "bias": torch.tensor([0.0, float("nan"), 0.0])}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"model\.pt: bias holds NaN"):
        load(tmp_path / "model.pt", network)


def test_a_checkpoint_of_another_epoch_than_its_adapter(tmp_path):
    net = tune(ViTClassifier(num_classes=3, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                             num_layers=1, num_heads=1), LinearProbe())  # fmt: skip
    save_adapter(net, tmp_path / "adapter.safetensors")
    torch.save(net.state_dict(), tmp_path / "model.pt")
    load(tmp_path / "model.pt", net)
    with torch.no_grad():
        net.head.weight.add_(1.0)
    torch.save(net.state_dict(), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="not of the same epoch"):
        load(tmp_path / "model.pt", net)
