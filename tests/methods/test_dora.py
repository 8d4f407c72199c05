"""DoRA: Eq. 5 and its gradient with the norm held constant, and Hugging Face's peft."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from dvpt_monai import DoRA, LoRA, Stack, TuningError, load_pretrained, merge, parameter_groups, report, tune


def explicit(linear, tuner, scale, detached=True):
    """W' of Eq. 5 from leaf tensors of its own: (W', leaves)."""
    leaves = {key: value.detach().clone().requires_grad_() for key, value in tuner.named_parameters()}
    direction = linear.weight.detach() + scale * leaves["B"][0] @ leaves["A"][0]
    norm = direction.square().sum(1).sqrt()
    return (leaves["magnitude"][0] / (norm.detach() if detached else norm))[:, None] * direction, leaves


@pytest.mark.parametrize("qkv_bias", [True, False])
@pytest.mark.parametrize("slices", [("q", "v"), ("k",)])
def test_the_network_computes_the_formula(vit, wake, formula, image, slices, qkv_bias):
    tuned = wake(tune(vit(qkv_bias=qkv_bias), DoRA(rank=2, alpha=5, slices=slices, layers=[0, 2])))

    class Decomposed(formula):
        def linear(self, name, x):
            own = self.tuner(name)
            if not own:
                return super().linear(name, x)
            weight = self.state[f"{name}.weight"].clone()
            for index, part in enumerate(slices):
                rows = slice(12 * "qkv".index(part), 12 * "qkv".index(part) + 12)
                direction = weight[rows] + 5 / 2 * own["B"][index] @ own["A"][index]
                length = direction.square().sum(1, keepdim=True).sqrt()
                weight[rows] = own["magnitude"][index][:, None] * direction / length
            return x @ weight.T + self.state.get(f"{name}.bias", 0.0)

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Decomposed(tuned).tokens(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_of_the_formula_with_the_norm_held_constant(wake, bias):
    torch.manual_seed(0)
    tuned = wake(tune(nn.Sequential(nn.Linear(6, 9, bias=bias)).double(), DoRA(rank=3, alpha=5, modules=["0"])))
    linear, tuner = tuned[0].base, tuned[0].tuner
    x = torch.randn(5, 6, dtype=torch.float64)
    y = tuned(x)
    y.square().sum().backward()
    for detached in (True, False):
        weight, leaves = explicit(linear, tuner, 5 / 3, detached)
        z = functional.linear(x, weight, linear.bias)
        torch.testing.assert_close(y, z, rtol=1e-12, atol=1e-12)
        z.square().sum().backward()
        same = [torch.allclose(value.grad, leaves[key].grad, rtol=1e-10) for key, value in tuner.named_parameters()]
        assert all(same) == detached, "with the gradient of the norm those of A and B would be others"


def test_it_starts_as_the_very_network_with_magnitudes_of_the_weights(vit, image):
    plain = vit().float()
    tuned = tune(copy.deepcopy(plain), DoRA(rank=2, slices=["v", "q"]))
    for block, original in zip(tuned.vit.blocks, plain.vit.blocks, strict=True):
        q, _, v = original.attn.qkv.weight.chunk(3)
        torch.testing.assert_close(block.attn.qkv.tuner.magnitude, torch.stack((q.norm(dim=1), v.norm(dim=1))))
    x = image(plain)
    assert torch.equal(tuned(x), plain(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(tuned(x), plain(x)), "magnitudes are not rounded to 8 bits"


def test_magnitudes_follow_a_pretrained_file_that_comes_after_tune(vit, image):
    plain = vit().float()
    tuned = tune(copy.deepcopy(plain), Stack(DoRA(rank=2), LoRA(rank=2)))
    at_tune = tuned.vit.blocks[0].attn.qkv.base.tuner.magnitude.clone()
    file = {key: value * 1.5 for key, value in plain.vit.state_dict().items()}
    for network in (plain, tuned):
        load_pretrained(network, file)
    assert torch.equal(tuned(image(tuned)), plain(image(plain))), "it starts as the identity"
    assert not torch.equal(at_tune, tuned.vit.blocks[0].attn.qkv.base.tuner.magnitude)


def test_magnitudes_do_not_decay(vit):
    # Decay would pull the frozen weights to zero.
    tuned = tune(vit(), DoRA(rank=2))
    magnitudes = {id(block.attn.qkv.tuner.magnitude) for block in tuned.vit.blocks}
    decay = {id(p): group["weight_decay"] for group in parameter_groups(tuned, lr=1e-3) for p in group["params"]}
    assert {decay[key] for key in magnitudes} == {0.0}
    assert decay[id(tuned.vit.blocks[0].attn.qkv.tuner.A)] > 0


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_it_merges_into_the_plain_network(vit, wake, image, qkv_bias):
    plain = vit(qkv_bias=qkv_bias).float()
    tuned = wake(tune(copy.deepcopy(plain), DoRA(rank=2)))
    merged = merge(tuned)
    assert merged.state_dict().keys() == plain.state_dict().keys()
    x = image(tuned)
    torch.testing.assert_close(merged(x), tuned(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_dora_of_peft(bias):
    peft = pytest.importorskip("peft", reason="compares with Hugging Face's peft, which is not installed")
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 9, bias=bias))
    ours = tune(copy.deepcopy(plain), DoRA(rank=3, alpha=5, modules=["0"]))
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["0"], use_dora=True)
    theirs = peft.inject_adapter_in_model(config, plain)
    parts = {
        "A": theirs[0].lora_A.default.weight,
        "B": theirs[0].lora_B.default.weight,
        "magnitude": theirs[0].lora_magnitude_vector.default.weight,
    }
    torch.testing.assert_close(ours[0].tuner.magnitude[0], parts["magnitude"])
    own = dict(ours[0].tuner.named_parameters())
    with torch.no_grad():
        parts["B"].normal_()
        parts["magnitude"].mul_(torch.rand(9) + 0.5)
        for key, value in parts.items():
            own[key].copy_(value[None])
    x, target = torch.randn(5, 6), torch.randn(5, 9)
    y, z = ours(x), theirs(x)
    torch.testing.assert_close(y, z, rtol=1e-6, atol=1e-6)
    for output in (y, z):
        functional.mse_loss(output, target).backward()
    for key, value in parts.items():
        torch.testing.assert_close(own[key].grad[0], value.grad, rtol=1e-5, atol=1e-6)


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(DoRA())).method == 12 * 2 * (8 * 2 * 768 + 768)


@pytest.mark.parametrize("arguments", [{"rank": 0}, {"alpha": 0}, {"alpha": True}, {"dropout": 1}, {"slices": "qv"}])
def test_arguments_are_checked_as_those_of_lora(arguments):
    with pytest.raises(TuningError, match=f"DoRA: {next(iter(arguments))} "):
        DoRA(**arguments)


def test_it_reads_the_weight_and_so_comes_first(vit, unchanged):
    network = vit()
    with unchanged(network), pytest.raises(TuningError, match=r"DoRA: another method .* put DoRA first"):
        tune(network, Stack(LoRA(rank=2), DoRA(rank=2)))
    tune(network, Stack(DoRA(rank=2), LoRA(rank=2)))


def test_patterns_that_meet_tune_a_layer_once(vit, image):
    tuned = tune(vit(), DoRA(rank=2, modules=["*mlp.linear1", "*.linear1"]))
    assert report(tuned).method == 3 * (2 * 12 + 2 * 20 + 20)
    tuned(image(tuned))
