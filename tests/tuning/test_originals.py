"""Where the plain backbone's own values stay while a method trains them."""

import copy
import gc
import os
import pickle
import tempfile
from pathlib import Path

import pytest
import torch
from torch import nn

from dvpt_monai import BitFit, FullFineTuning, ViTClassifier, disabled, load_adapter, save_adapter, tune, untune
from dvpt_monai.tuning import originals as module
from dvpt_monai.tuning.originals import Originals
from dvpt_monai.tuning.trains import trained_tensors


def vit(**more):
    torch.manual_seed(0)
    sizes = {"img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 2}
    return ViTClassifier(num_classes=3, in_channels=1, **sizes, **more).eval()


def train(network):
    with torch.no_grad():
        for value in trained_tensors(network).values():
            if value.is_floating_point():
                value.add_(torch.randn_like(value))
    return network


def mappings():
    """Maps of files without a name in this process."""
    return sum("(deleted)" in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.fixture(params=["memory", "file"])
def place(request, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", 1 << 24 if request.param == "memory" else 0)
    return request.param


TENSORS = {
    "half": torch.arange(5, dtype=torch.bfloat16) / 3,
    "turned": torch.randn(3, 4).T,
    "count": torch.tensor(7),
    "flag": torch.tensor([True, False]),
    "none": torch.zeros(0, 3),
    "double": torch.tensor([float("nan"), 1e-300, -0.0], dtype=torch.float64),
    "meta": torch.zeros(2, 2, device="meta"),
}


def same_bits(a, b):
    if a.shape != b.shape or a.dtype != b.dtype or a.is_meta != b.is_meta:
        return False
    bits = (value.contiguous().reshape(-1).view(torch.uint8) for value in (a, b))
    return a.is_meta or torch.equal(*bits)


def test_every_kind_of_tensor_is_kept_to_the_bit(place):
    source = {key: value.clone() for key, value in TENSORS.items()}
    kept = Originals(source)
    for value in source.values():
        if not value.is_meta:
            value.zero_()
    for copied in (kept, copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert list(copied) == list(TENSORS) and len(copied) == len(TENSORS)
        assert all(same_bits(copied[key], value) for key, value in TENSORS.items())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads the process's maps from /proc")
def test_the_file_lives_as_long_as_a_network_that_needs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gc.collect()
    before, files = mappings(), len(os.listdir("/proc/self/fd"))
    network = tune(vit(), FullFineTuning())
    assert mappings() == before + 1 and list(tmp_path.iterdir()) == []
    other = copy.deepcopy(network)
    assert mappings() == before + 1, "a copy shares what nothing changes"
    del network
    gc.collect()
    plain = vit().state_dict()
    assert all(
        torch.equal(value, plain[key]) for key, value in untune(train(other)).state_dict().items() if "vit" in key
    )
    gc.collect()
    assert (mappings(), len(os.listdir("/proc/self/fd"))) == (before, files)


@pytest.mark.parametrize("method", [FullFineTuning(), BitFit()], ids=["FullFineTuning", "BitFit"])
@pytest.mark.parametrize("way", ["itself", "deepcopy", "pickle"])
def test_the_ways_back_are_bit_exact(place, method, way):
    network = train(tune(vit(), method))
    network = {"itself": lambda n: n, "deepcopy": copy.deepcopy, "pickle": lambda n: pickle.loads(pickle.dumps(n))}[
        way
    ](network)
    trained = {key: value.clone() for key, value in network.state_dict().items()}
    plain = vit().state_dict()

    def differ(state, other):
        return {key for key, value in state.items() if not torch.equal(value, other[key])}

    head = {"head.weight", "head.bias"}
    with disabled(network):
        assert differ(network.state_dict(), plain) == head
    assert differ(network.state_dict(), trained) == set()
    untune(network)
    assert differ(network.state_dict(), plain) == head
    assert differ(network.state_dict(), trained) != set(), "they had trained"


def test_an_adapter_of_a_whole_network_goes_in_and_out(place, tmp_path):
    network = train(tune(vit(), FullFineTuning()))
    other = load_adapter(vit(), save_adapter(network, tmp_path / "a.safetensors"))
    plain = vit().state_dict()
    assert all(torch.equal(value, plain[key]) for key, value in untune(other).state_dict().items() if "vit" in key)


def test_a_whole_backbone_takes_no_memory_and_biases_no_file():
    network = nn.Sequential(nn.Linear(2200, 2200), nn.Linear(2, 2))
    whole = tune(copy.deepcopy(network), FullFineTuning(), train=["1.*"]).tuning.originals
    biases = tune(network, BitFit(), train=["1.*"]).tuning.originals
    assert list(whole) == ["0.weight", "0.bias"] and list(biases) == ["0.bias"]
    # Tensors of one file lie in one mapping; those in memory were allocated one by one, at 64 bytes each.
    starts = [value.data_ptr() for value in whole.values()]
    assert starts[1] - starts[0] == 2200 * 2200 * 4
    assert starts[0] % 4096 == 0


def test_without_room_for_the_file_they_stay_in_memory(monkeypatch, caplog):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    network = train(tune(vit(), FullFineTuning()))
    assert "its temporary file cannot be written ([Errno 28] No space left on device)" in caplog.text
    plain = vit().state_dict()
    assert all(torch.equal(value, plain[key]) for key, value in untune(network).state_dict().items() if "vit" in key)
