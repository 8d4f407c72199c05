"""match_budget: the largest version of a method under a budget, and no trace of the search."""

import dataclasses

import pytest
import torch

from dvpt_monai import (
    DVPT,
    EPT,
    METHODS,
    BitFit,
    LoRA,
    MLPProbe,
    PartialFineTuning,
    Stack,
    TuningError,
    VisualPrompt,
    ViTClassifier,
    match_budget,
    report,
    tune,
    untune,
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ViTClassifier(
        num_classes=3, in_channels=3, img_size=32, patch_size=8, hidden_size=48, mlp_dim=96, num_layers=3, num_heads=4
    )


def percent(network, method):
    value = report(tune(network, method)).percent
    untune(network)
    return value


@pytest.mark.parametrize("name", sorted(name for name, cls in METHODS.items() if cls.size))
def test_it_is_the_largest_that_fits(network, name, unchanged):
    method = METHODS[name]()
    knob = type(method).size
    network.requires_grad_(False).train()
    random = torch.get_rng_state()
    with unchanged(network):
        matched = match_budget(method, network, percent=40.0)
    assert torch.equal(torch.get_rng_state(), random)
    assert dataclasses.replace(matched, **{knob: getattr(method, knob)}) == method, "the other arguments stay"
    assert percent(network, matched) <= 40.0
    try:
        larger = percent(network, dataclasses.replace(matched, **{knob: getattr(matched, knob) + 1}))
    except TuningError:
        return  # the network has no room for a larger one: all its blocks, tokens or pixels
    assert larger > 40.0


def test_the_search_turns_one_argument_alone(network):
    assert match_budget(LoRA(alpha=2, slices=("v",)), network, 2.0).alpha == 2
    assert match_budget(EPT(deep=False), network, 2.0).deep is False


def test_the_room_of_the_network_is_a_limit_too(network):
    assert match_budget(PartialFineTuning(), network, 100.0).blocks == 3
    assert match_budget(VisualPrompt(), network, 100.0).pad == 15


def test_what_has_no_size_or_does_not_fit_says_so(network):
    with pytest.raises(TuningError, match="BitFit has no argument that sets its size"):
        match_budget(BitFit(), network, 1.0)
    with pytest.raises(TuningError, match="Stack has no argument"):
        match_budget(Stack(DVPT(), LoRA()), network, 1.0)
    with pytest.raises(TuningError, match=r"MLPProbe trains .* % with depth=2, the least .* budget is 0.1 %"):
        match_budget(MLPProbe(), network, 0.1)
    with pytest.raises(TuningError, match="already tuned"):
        match_budget(LoRA(), tune(network, BitFit()), 1.0)
