"""The fingerprint: what it is, and that it is computed once and never stale."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from dvpt_monai import DVPT, BitFit, LinearProbe, ViTClassifier, load_pretrained, save_adapter, tune
from dvpt_monai.tuning import fingerprint as module
from dvpt_monai.tuning.fingerprint import fingerprint
from dvpt_monai.tuning.tuned import unwrapped


def test_the_fingerprint_is_the_same_whatever_the_blocks_it_is_summed_in():
    # Signs come from numpy's PCG64 by position: an independent sum over the same stream.
    tensor = torch.randn(3, 5)
    network = tune(nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 1)), LinearProbe(), train=["1.*"])
    network[0].weight.data = tensor
    seen = fingerprint(network)["0.weight"]
    stream = np.random.PCG64(230709787).random_raw(2).tobytes()
    signs = [[1 if byte >> (7 - bit) & 1 else -1 for bit in range(8)] for byte in stream[:15]]
    expected = [sum(s[j] * v for s, v in zip(signs, tensor.double().flatten().tolist(), strict=True)) for j in range(8)]
    assert seen["projections"] == pytest.approx(expected, rel=1e-6)
    assert seen["norm"] == pytest.approx(float(tensor.double().norm()), rel=1e-12)
    assert (seen["dtype"], seen["shape"]) == ("float32", [3, 5])


def test_a_large_tensor_is_described_in_parts():
    network = tune(nn.Sequential(nn.Embedding(1100, 1000), nn.Linear(1000, 1)), LinearProbe(), train=["1.*"])
    whole = fingerprint(network)["0.weight"]
    values = network[0].weight.detach().double().flatten()
    signs = np.unpackbits(
        np.frombuffer(np.random.PCG64(230709787).random_raw(1100 * 125).tobytes(), np.uint8)[:, None], axis=1
    )
    expected = (values[:, None].numpy() * (2.0 * signs - 1)).sum(0)
    assert whole["projections"] == pytest.approx(expected.tolist(), rel=1e-5)


# --- once -------------------------------------------------------------------------------------------------------------


def vit(seed=0):
    torch.manual_seed(seed)
    return ViTClassifier(
        num_classes=3, in_channels=1, img_size=16, patch_size=8, hidden_size=12, mlp_dim=24, num_heads=2, num_layers=2
    )


@pytest.fixture
def described(monkeypatch):
    """The tensors that were described anew."""
    seen = []
    describe = module._describe
    monkeypatch.setattr(module, "_describe", lambda tensor: seen.append(tensor) or describe(tensor))
    return seen


def test_a_training_describes_the_backbone_once(tmp_path, described):
    network = tune(vit(), DVPT(num_prompts=2, bottleneck=2)).train()
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    for index in range(3):
        network(torch.rand(1, 1, 16, 16)).square().sum().backward()
        optimizer.step()
        save_adapter(network, tmp_path / "a.safetensors")
        if index == 0:
            first = len(described)
    assert len(described) == first > 12
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        save_adapter(other, tmp_path / "a.safetensors")
    assert len(described) == first


KEY = "vit.blocks.1.mlp.linear1.weight"


def weight(network):
    return network.state_dict(keep_vars=True)[KEY]


def in_place(network):
    with torch.no_grad():
        weight(network)[0, 0] += 1e-3


def behind_autograd(network):
    version = weight(network)._version
    weight(network).data.mul_(1.001)
    assert weight(network)._version == version, "by which it could not be seen"


def swapped_rows(network):
    with torch.no_grad():
        weight(network).copy_(weight(network).flip(0))


def through_numpy(network):
    weight(network).detach().numpy()[0, 0] += 1e-3


def replaced(network):
    unwrapped(network.vit.blocks[1].mlp).linear1 = nn.Linear(12, 24).requires_grad_(False)


CHANGES = {
    "in place": in_place,
    "behind autograd": behind_autograd,
    "rows swapped": swapped_rows,
    "through numpy": through_numpy,
    "module replaced": replaced,
    "load_state_dict": lambda network: network.load_state_dict(vit(1).state_dict(), strict=False),
    "load_pretrained": lambda network: load_pretrained(network, vit(1).vit.state_dict()),
    "resize": lambda network: network.vit.resize(24),
    "dtype": lambda network: network.double(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("method", [DVPT(num_prompts=2, bottleneck=2), BitFit()], ids=["DVPT", "BitFit"])
def test_it_is_never_stale(change, method):
    network = tune(vit(), method)
    before = fingerprint(network)
    CHANGES[change](network)
    after = fingerprint(network)
    network.tuning.descriptions.clear()
    assert after == fingerprint(network)
    assert after != before
