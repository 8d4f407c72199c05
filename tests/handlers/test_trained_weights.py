import pytest
import torch
from ignite.engine import Engine

from dvpt_monai import (
    DVPT,
    AdapterError,
    LinearProbe,
    PretrainedError,
    ViTClassifier,
    ViTEncoder,
    load_pretrained,
    save_adapter,
    tune,
)
from dvpt_monai.errors import CheckpointError
from dvpt_monai.handlers import TrainedWeights

SIZES = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 8, "mlp_dim": 8, "num_layers": 1,
         "num_heads": 1}  # fmt: skip
METHOD = DVPT(num_prompts=2, bottleneck=2)


def network(seed=0, method=METHOD):
    torch.manual_seed(seed)
    return tune(ViTClassifier(num_classes=3, **SIZES), method)


@pytest.fixture
def trained(tmp_path):
    """A network on a backbone of a file, as it was trained: its checkpoint, its adapter, its backbone."""
    torch.manual_seed(1)
    torch.save(ViTEncoder(**SIZES).state_dict(), tmp_path / "backbone.pt")
    net = tune(load_pretrained_into(ViTClassifier(num_classes=3, **SIZES), tmp_path / "backbone.pt"), METHOD)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    torch.save(net.state_dict(), tmp_path / "model.pt")
    save_adapter(net, tmp_path / "adapter.safetensors")
    return net.eval()


def load_pretrained_into(net, path):
    load_pretrained(net, path)
    return net


def start(net, checkpoint="none.pt", adapter=None, backbone="none"):
    """Whether the weights are there when the first batch comes: what an evaluator sees."""
    seen = []
    engine = Engine(lambda engine, batch: seen.append({key: value.clone() for key, value in net.state_dict().items()}))
    TrainedWeights(net, str(checkpoint), adapter and str(adapter), str(backbone)).attach(engine)
    engine.run([0])
    return seen[0]


def same(found, expected, tolerance=0.0):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=tolerance)


def test_the_checkpoint(trained, tmp_path):
    net = network(seed=5)
    assert not torch.equal(net.head.weight, trained.head.weight)
    same(start(net, tmp_path / "model.pt"), trained.state_dict())


def test_nothing_is_loaded_before_the_run_starts(trained, tmp_path):
    net = network(seed=5)
    before = net.head.weight.clone()
    TrainedWeights(net, str(tmp_path / "model.pt"), None, "none").attach(Engine(lambda engine, batch: None))
    assert torch.equal(net.head.weight, before)


@pytest.mark.parametrize("method", [METHOD, LinearProbe()], ids=["its own method", "another"])
def test_the_adapter_goes_before_the_checkpoint_and_brings_its_method(trained, tmp_path, method):
    """The checkpoint is not even there."""
    net = network(seed=5, method=method)
    same(start(net, "gone.pt", tmp_path / "adapter.safetensors", tmp_path / "backbone.pt"), trained.state_dict(), 1e-6)
    x = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(x), trained(x))


def test_an_untuned_network_takes_the_adapter_too(trained, tmp_path):
    net = ViTClassifier(num_classes=3, **SIZES)
    same(start(net, "gone.pt", tmp_path / "adapter.safetensors", tmp_path / "backbone.pt"), trained.state_dict(), 1e-6)


def test_neither_is_there(trained, tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.pt: no such file"):
        start(network(), tmp_path / "gone.pt")
    with pytest.raises(AdapterError, match=r"gone\.safetensors"):
        start(network(), tmp_path / "model.pt", tmp_path / "gone.safetensors", tmp_path / "backbone.pt")


@pytest.mark.parametrize(("backbone", "error"), [("", PretrainedError), ("gone.pt", PretrainedError)])
def test_an_adapter_without_its_backbone(trained, tmp_path, backbone, error):
    with pytest.raises(error, match="backbone"):
        start(network(), tmp_path / "model.pt", tmp_path / "adapter.safetensors", backbone)


def test_an_adapter_with_another_backbone(trained, tmp_path):
    torch.manual_seed(2)
    torch.save(ViTEncoder(**SIZES).state_dict(), tmp_path / "other.pt")
    with pytest.raises(AdapterError, match="another backbone"):
        start(network(), tmp_path / "model.pt", tmp_path / "adapter.safetensors", tmp_path / "other.pt")
