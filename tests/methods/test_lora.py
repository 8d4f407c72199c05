"""LoRA: against explicit weights, and against Hugging Face's peft."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from dvpt_monai import LoRA, Stack, TuningError, merge, report, tune


@pytest.mark.parametrize("slices", [("q", "v"), ("k",), ("q", "k", "v")])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_the_network_computes_the_formula(vit, wake, formula, image, slices, qkv_bias):
    tuned = wake(tune(vit(qkv_bias=qkv_bias), LoRA(rank=2, alpha=5, slices=slices, layers=[0, 2])))

    class Updated(formula):
        def linear(self, name, x):
            y = super().linear(name, x)
            own = self.tuner(name)
            for index, part in enumerate(sorted(slices, key="qkv".index) if own else ()):
                delta = 5 / 2 * own["B"][index] @ own["A"][index]
                rows = slice(12 * "qkv".index(part), 12 * "qkv".index(part) + 12)
                y[..., rows] = y[..., rows] + x @ delta.T
            return y

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Updated(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_any_linear_layer_can_be_named(vit, wake, formula, image):
    method = LoRA(rank=3, alpha=3, slices=["v"], modules=["*attn.out_proj", "*mlp.linear?", "*.1.attn.qkv"])
    tuned = wake(tune(vit(), method))

    class Updated(formula):
        def linear(self, name, x):
            y = super().linear(name, x)
            own = self.tuner(name)
            if own:
                delta = own["B"][0] @ own["A"][0]
                rows = slice(24, 36) if name.endswith("qkv") else slice(None)
                y[..., rows] = y[..., rows] + x @ delta.T
            return y

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Updated(tuned).tokens(x), rtol=1e-9, atol=1e-9)
    assert sum(key.endswith(".A") for key in tuned.state_dict()) == 3 * 3 + 1


def test_patterns_that_meet_tune_a_layer_once(vit):
    tuned = tune(vit(), LoRA(rank=2, modules=["*mlp.linear1", "*.linear1"]))
    assert report(tuned).method == 3 * (2 * 12 + 2 * 20)


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_it_merges_into_the_plain_network(vit, wake, image, qkv_bias):
    plain = vit(qkv_bias=qkv_bias).float()
    tuned = wake(tune(copy.deepcopy(plain), LoRA(rank=2)))
    merged = merge(tuned)
    assert merged.state_dict().keys() == plain.state_dict().keys()
    x = image(tuned)
    torch.testing.assert_close(merged(x), tuned(x), rtol=1e-5, atol=1e-5)


def test_dropout_is_of_the_updates_input_alone():
    layer = nn.Sequential(nn.Linear(6, 4))
    tuned = tune(copy.deepcopy(layer), LoRA(rank=2, alpha=6, dropout=0.5, modules=["0"])).train()
    nn.init.normal_(tuned[0].tuner.B)
    x = torch.rand(3, 6)
    torch.manual_seed(3)
    y = tuned(x)
    torch.manual_seed(3)
    kept = functional.dropout(x, 0.5)
    assert 0 < int((kept == 0).sum()) < kept.numel()
    own = tuned[0].tuner
    torch.testing.assert_close(y, layer(x) + 3 * kept @ own.A[0].T @ own.B[0].T)
    torch.testing.assert_close(tuned.eval()(x), layer(x) + 3 * x @ own.A[0].T @ own.B[0].T)


def test_a_checkpoint_with_the_names_of_version_0_1_loads(vit, wake, image):
    tuned = wake(tune(vit(), Stack(LoRA(rank=2), LoRA(rank=1))))
    state = tuned.state_dict()
    old = {key.replace("tuner.A", "tuner.down").replace("tuner.B", "tuner.up"): value for key, value in state.items()}
    assert sum(key.endswith(("tuner.down", "tuner.up")) for key in old) == 2 * 2 * 3
    other = tune(vit(), Stack(LoRA(rank=2), LoRA(rank=1)))
    other.load_state_dict(old)
    assert torch.equal(other(image(other)), tuned(image(tuned)))
    del old["vit.blocks.0.attn.qkv.tuner.down"]
    with pytest.raises(RuntimeError, match=r"Missing key.* \"vit.blocks.0.attn.qkv.tuner.A\""):
        other.load_state_dict(old)


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_lora_of_peft(bias):
    peft = pytest.importorskip("peft", reason="compares with Hugging Face's peft, which is not installed")
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 9, bias=bias))
    ours = tune(copy.deepcopy(plain), LoRA(rank=3, alpha=5, modules=["0"]))
    theirs = peft.inject_adapter_in_model(peft.LoraConfig(r=3, lora_alpha=5, target_modules=["0"]), plain)
    A, B = theirs[0].lora_A.default.weight, theirs[0].lora_B.default.weight
    nn.init.normal_(B)
    with torch.no_grad():
        ours[0].tuner.A.copy_(A[None])
        ours[0].tuner.B.copy_(B[None])
    x, target = torch.randn(5, 6), torch.randn(5, 9)
    y, z = ours(x), theirs(x)
    torch.testing.assert_close(y, z, rtol=1e-6, atol=1e-6)
    for output in (y, z):
        functional.mse_loss(output, target).backward()
    torch.testing.assert_close(ours[0].tuner.A.grad[0], A.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours[0].tuner.B.grad[0], B.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "count"),
    [
        (LoRA(), 12 * 2 * 8 * 2 * 768),
        (LoRA(rank=4, slices=["k"], layers=[0, 11]), 2 * 4 * 2 * 768),
        (LoRA(modules=["*mlp.linear?"]), 12 * 2 * 8 * (768 + 3072)),
    ],
)
def test_parameters_on_vit_b_16(vit_b, method, count):
    assert report(vit_b(method)).method == count


ARGUMENTS = [
    ({"rank": 0}, "rank must be a whole number of at least 1, not 0"),
    ({"rank": True}, "rank must be a whole number of at least 1, not True"),
    ({"rank": 2.0}, "rank must be a whole number of at least 1, not 2.0"),
    ({"alpha": 0}, "alpha must be a positive number, not 0"),
    ({"alpha": True}, "alpha must be a positive number, not True"),
    ({"alpha": float("inf")}, "alpha must be a positive number, not inf"),
    ({"dropout": 1}, "dropout must be at least 0 and below 1, not 1"),
    ({"dropout": -0.1}, "dropout must be at least 0 and below 1, not -0.1"),
    ({"dropout": False}, "dropout must be at least 0 and below 1, not False"),
    ({"slices": "qv"}, r"slices is a list, for example \['q', 'v'\], not 'qv'"),
    ({"slices": None}, "slices is a list"),
    ({"slices": ("x",)}, "slices must be different ones of q, k and v"),
    ({"slices": ("q", "q")}, "slices must be different ones of q, k and v"),
    ({"slices": ()}, "slices must be different ones of q, k and v"),
    ({"slices": (["q"],)}, "slices is a list"),
    ({"modules": "*qkv"}, "modules is a list"),
    ({"modules": [3]}, "modules is a list"),
    ({"layers": [0], "modules": ["*qkv"]}, "give modules or layers, not both"),
    ({"layers": [[0]]}, "layers must be different block numbers"),
    ({"layers": [True]}, "layers must be different block numbers"),
    ({"layers": []}, "layers must be different block numbers"),
    ({"layers": [1, 1]}, "layers must be different block numbers"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"LoRA: {message}"):
        LoRA(**arguments)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["*mlp.linear1", "*attn.query"], r"LoRA: modules: '\*attn.query' matches nothing in ViTClassifier.*linear1"),
        (
            ["*mlp.linear1", "*norm1"],
            "LoRA: vit.blocks.0.norm1 is a LayerNorm, not a linear layer; let modules name linear",
        ),
        (["*.attn"], "LoRA: vit.blocks.0.attn is a Attention, not a linear layer"),
    ],
)
def test_patterns_of_anything_but_linear_layers_are_refused(vit, unchanged, modules, message):
    network = vit()
    with unchanged(network), pytest.raises(TuningError, match=message):
        tune(network, LoRA(modules=modules))
