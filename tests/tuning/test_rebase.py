"""Pre-trained weights that are loaded into a network that is tuned already."""

import copy

import pytest
import torch

from dvpt_monai import (
    DVPT,
    BitFit,
    FullFineTuning,
    NormTuning,
    ViTClassifier,
    disabled,
    load_pretrained,
    parameter_groups,
    tune,
    untune,
)
from dvpt_monai.tuning import originals, rebase


def vit(seed, **more):
    torch.manual_seed(seed)
    sizes = {"img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 2}
    network = ViTClassifier(**{"num_classes": 3, "in_channels": 1, **sizes, **more}).eval()
    with torch.no_grad():  # biases are not 0 in a pre-trained file
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


def step(network):
    optimizer = torch.optim.SGD(parameter_groups(network.train(), lr=0.1))
    network(torch.rand(2, 1, 16, 16)).square().sum().backward()
    optimizer.step()
    return network.eval()


def differing(a, b):
    return {key for key, value in a.state_dict().items() if not torch.equal(value, b.state_dict()[key])}


METHODS = {
    "BitFit": BitFit(),
    "NormTuning": NormTuning(),
    "FullFineTuning": FullFineTuning(),
    "DVPT": DVPT(bottleneck=2),
}


@pytest.mark.parametrize("in_memory", [1 << 24, 0])
@pytest.mark.parametrize("method", METHODS)
def test_the_file_is_what_training_starts_from_and_what_the_ways_back_return_to(method, in_memory, monkeypatch):
    monkeypatch.setattr(originals, "IN_MEMORY", in_memory)
    state = vit(1).vit.state_dict()
    plain, network = vit(0), tune(vit(0), METHODS[method])
    load_pretrained(plain, state)
    receipt = load_pretrained(network, state)
    assert "vit.blocks.0.norm1.bias" in receipt.loaded
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in plain.state_dict().items())
    step(network)
    head = {"head.weight", "head.bias"}
    with disabled(network):
        assert differing(plain, network) == head
    assert (differing(plain, network) == head) == (method == "DVPT"), "the method trains nothing of the backbone"
    assert differing(plain, untune(network)) == head


def test_what_the_file_leaves_out_keeps_its_original():
    state = vit(1).vit.state_dict()
    del state["norm.bias"]
    network = step(tune(vit(0), BitFit()))
    load_pretrained(network, state, allow_missing=["vit.norm.bias"])
    plain = untune(network).state_dict()
    assert torch.equal(plain["vit.norm.bias"], vit(0).vit.norm.bias)
    assert torch.equal(plain["vit.blocks.0.norm1.bias"], vit(1).vit.blocks[0].norm1.bias)


def test_a_copy_made_before_keeps_the_old_backbone():
    network = tune(vit(0), BitFit())
    other = copy.deepcopy(network)
    load_pretrained(network, vit(1).vit.state_dict())
    assert differing(untune(other), vit(0)) == set()


def test_nothing_is_asked_of_a_plain_network():
    network = vit(0)
    rebase(network, network.state_dict())
    assert differing(network, vit(0)) == set()
