"""DVPT against an independent implementation of its formulas, and whether its attention lives."""

import copy
import math

import numpy as np
import pytest
import torch
from monai.networks.nets import UNETR as MonaiUNETR
from PIL import Image
from torch import nn
from torch.nn import functional

from dvpt_monai import DVPT, UNETR, TuningError, ViTClassifier, attention_entropy, parameter_groups, report, tune
from dvpt_monai.methods.dvpt import Attend, Bottleneck, PositionedPrompts
from dvpt_monai.tuning import trained_tensors

SIZES = {"in_channels": 1, "img_size": 24, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2}


def vit(**more):
    torch.manual_seed(0)
    return ViTClassifier(**{"num_classes": 3, "num_layers": 4, "num_registers": 2, **SIZES, **more}).double().eval()


def wake(network):
    torch.manual_seed(1)
    with torch.no_grad():
        for value in trained_tensors(network).values():
            value.add_(torch.randn_like(value), alpha=0.5)
    return network


# --- an independent implementation, from the formulas alone -----------------------------------------------------------


def softmax(scores):
    weights = torch.exp(scores - scores.max(-1, keepdim=True).values)
    return weights / weights.sum(-1, keepdim=True)


def standardised(x):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-6)


def update(method, part, x, first):
    """g * U of one block, and its attention A."""
    z = torch.einsum("bnd,rd->bnr", x, part["down.weight"]) + part["down.bias"]
    z = z / (1 + torch.exp(-1.702 * z)) if method.quick_gelu else z * (1 + torch.erf(z / math.sqrt(2))) / 2
    s = 1 / method.temperature
    m, n = method.num_prompts, z.shape[1]
    if method.aggregate == "tokens":
        prompts, patches = z[:, n - m :], z[:, first : n - m]
        a = softmax(s * torch.einsum("bmr,bnr->bmn", prompts, patches))
        q = torch.einsum("bmn,bnr->bmr", a, patches)
        read = torch.cat((z[:, : n - m], q), 1) if method.cross_attention else z
    else:
        a = softmax(s * torch.einsum("mr,bnr->bmn", part["prompts"], z))
        q = torch.einsum("bmn,bnr->bmr", a, z)
        back = softmax(s * torch.einsum("bnr,bmr->bnm", z, q))
        read = z + torch.einsum("bnm,bmr->bnr", back, q) if method.aggregate == "attend" else q
    u = torch.einsum("bnr,dr->bnd", read, part["up.weight"]) + part["up.bias"]
    if method.aggregate == "prefix":
        u = torch.cat((u, torch.zeros(len(u), n - m, u.shape[2], dtype=u.dtype)), 1)
    return part["gate"] * u, a


def by_formula(plain, method, state, image):
    """Features of the CLS token of a ViTClassifier with DVPT, and the attention of every tuned block."""
    vit = plain.vit
    tokens = torch.cat((vit.cls_token.expand(len(image), -1, -1), vit.register_tokens.expand(len(image), -1, -1),
                        vit.patch_embedding(image)), 1)  # fmt: skip
    if method.aggregate == "tokens":
        prompts = state["vit.embed.tuner.prompts"] + state["vit.embed.tuner.prompt_positions"]
        tokens = torch.cat((tokens, prompts.expand(len(image), -1, -1)), 1)
    site = "residual2" if method.input == "residual" else "mlp"
    chosen = range(len(vit.blocks)) if method.layers is None else method.layers
    attentions = []
    for index, block in enumerate(vit.blocks):
        x = tokens + block.attn(block.norm1(tokens))
        normed = standardised(x) * block.norm2.weight + block.norm2.bias
        tokens = x + block.mlp(normed)
        if index in chosen:
            start = f"vit.blocks.{index}.{site}.tuner."
            part = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
            change, attention = update(method, part, x if method.input == "residual" else normed, vit.first)
            tokens = tokens + change
            attentions.append(attention)
    return vit.norm(tokens), attentions


METHODS = [
    DVPT(num_prompts=4, bottleneck=3),
    DVPT(num_prompts=4, bottleneck=3, input="residual", zero="gate"),
    DVPT(num_prompts=5, bottleneck=3, aggregate="prefix"),
    DVPT(num_prompts=5, bottleneck=3, aggregate="prefix", input="residual", temperature=0.2),
    DVPT(num_prompts=4, bottleneck=3, aggregate="tokens"),
    DVPT(num_prompts=4, bottleneck=3, aggregate="tokens", input="residual", temperature=3.0),
    DVPT(num_prompts=4, bottleneck=3, share=3),
    DVPT(num_prompts=1, bottleneck=1, aggregate="tokens", share=4),
    DVPT(num_prompts=4, bottleneck=3, layers=[3, 1]),
    DVPT(num_prompts=4, bottleneck=3, quick_gelu=True),
    DVPT(num_prompts=4, bottleneck=3, gate=0.1),
    DVPT.released_vit(),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: "-".join(str(v) for v in list(m.arguments().values())[3:]))
def test_the_network_computes_the_formulas(method):
    plain = vit()
    tuned = wake(tune(copy.deepcopy(plain), method))
    image = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    with torch.no_grad():
        tokens, attentions = by_formula(plain, method, tuned.state_dict(), image)
        torch.testing.assert_close(tuned.vit(image)[0], tokens, rtol=1e-9, atol=1e-9)
        entropies = [float(-(a * a.log()).sum(-1).mean() / math.log(a.shape[-1])) for a in attentions]
    assert attention_entropy(tuned, image) == pytest.approx(entropies, rel=1e-9)


def test_the_prompts_are_read_out_with_cls():
    plain = vit(pooling="prompts")
    method = DVPT(num_prompts=4, bottleneck=3, aggregate="tokens")
    tuned = wake(tune(copy.deepcopy(plain), method))
    image = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    tokens, _ = by_formula(plain, method, tuned.state_dict(), image)
    torch.testing.assert_close(tuned.features(image), torch.cat((tokens[:, :1], tokens[:, -4:]), 1).mean(1))
    assert tokens.shape[1] == 1 + 2 + 9 + 4


def test_appended_prompts_do_not_leak_into_a_decoder():
    torch.manual_seed(0)
    sizes = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 3, "feature_size": 2}
    network = UNETR(in_channels=1, out_channels=2, img_size=(16, 24, 16), **sizes)
    tune(network, DVPT(num_prompts=7, bottleneck=2, aggregate="tokens"))
    maps = []
    network.encoder2.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0].shape))
    assert network(torch.rand(1, 1, 16, 24, 16)).shape == (1, 2, 16, 24, 16)
    assert maps == [(1, 12, 2, 3, 2)]


# --- initialisation, sharing, layers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", ["attend", "prefix", "tokens"])
@pytest.mark.parametrize("zero", ["up", "gate"])
def test_exactly_one_factor_of_the_update_starts_at_zero(aggregate, zero):
    tuned = tune(vit(), DVPT(num_prompts=12, bottleneck=400, aggregate=aggregate, zero=zero))
    for block in tuned.vit.blocks:
        tuner = block.mlp.tuner
        assert float(tuner.gate.detach()) == (0.0 if zero == "gate" else 1.0)
        for linear, inputs, is_zero in ((tuner.down, 12, False), (tuner.up, 400, zero == "up")):
            bound = 1 / math.sqrt(inputs)  # nn.Linear's default: uniform within it
            for value in (linear.weight, linear.bias):
                assert float(value.abs().max()) <= bound
                assert (float(value.abs().max()) == 0) == is_zero
        if aggregate == "tokens":
            assert tuner.prompts is None
        else:
            assert float(tuner.prompts.detach().std()) == pytest.approx(1, rel=0.1)
    if aggregate == "tokens":
        for value in (tuned.vit.embed.tuner.prompts, tuned.vit.embed.tuner.prompt_positions):
            assert value.shape == (1, 12, 12)
            assert float(value.detach().std()) == pytest.approx(0.02, rel=0.25)


@pytest.mark.parametrize("aggregate", ["attend", "prefix", "tokens"])
@pytest.mark.parametrize(("share", "groups"), [(1, [0, 1, 2, 3]), (2, [0, 0, 1, 1]), (3, [0, 0, 0, 1]), (9, [0] * 4)])
def test_consecutive_blocks_share_one_module(aggregate, share, groups):
    method = DVPT(num_prompts=4, bottleneck=3, aggregate=aggregate, share=share)
    tuned = tune(vit(), method)
    tuners = [block.mlp.tuner for block in tuned.vit.blocks]
    assert [tuners.index(tuner) for tuner in tuners] == [groups.index(group) for group in groups]
    one = 2 * 12 * 3 + 3 + 12 + 1
    outside = 2 * 4 * 12 if aggregate == "tokens" else 0
    assert report(tuned).method == (max(groups) + 1) * (one + (0 if outside else 4 * 3)) + outside


def test_only_the_chosen_layers_are_tuned():
    tuned = tune(vit(), DVPT(num_prompts=4, bottleneck=3, layers=(0, 2, 3), share=2))
    tuners = [getattr(block.mlp, "tuner", None) for block in tuned.vit.blocks]
    assert [tuner is not None for tuner in tuners] == [True, False, True, True]
    assert tuners[0] is tuners[2]
    assert tuners[3] is not tuners[2]
    assert DVPT(layers=[0, 2]) == DVPT(layers=(0, 2))


def test_temperature_sharpens():
    image = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    entropies = []
    for temperature in (0.1, 1.0, 10.0):
        torch.manual_seed(0)
        entropies.append(attention_entropy(tune(vit(), DVPT(temperature=temperature)), image))
    assert all(sharp < mild < flat for sharp, mild, flat in zip(*entropies, strict=True))


# --- the authors' code ------------------------------------------------------------------------------------------------


def test_released_vit_is_shallow_prompts_and_a_shared_adapter_without_cross_attention(monkeypatch):
    method = DVPT.released_vit()
    assert (method.num_prompts, method.bottleneck, method.share) == (50, 20, 3)
    tuned = wake(tune(vit(), method))
    image = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    before = tuned(image)

    def never(*_):
        raise AssertionError("the cross-attention was computed")

    monkeypatch.setattr(Bottleneck, "read", never)
    assert torch.equal(tuned(image), before)


def test_the_completed_tokens_form_does_attend():
    arguments = DVPT.released_vit().arguments()
    del arguments["method"]
    released = wake(tune(vit(), DVPT(**arguments)))
    completed = tune(vit(), DVPT(**{**arguments, "cross_attention": True}))
    completed.load_state_dict(released.state_dict())
    image = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    assert not torch.allclose(completed(image), released(image), atol=1e-3)


def test_a_small_gate_shortens_the_first_steps_of_the_update_alone():
    image = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    changes = []
    for gate in (1.0, 0.1):
        plain = vit()
        torch.manual_seed(1)
        tuned = tune(copy.deepcopy(plain), DVPT(num_prompts=4, bottleneck=3, layers=[3], gate=gate))
        tuner = tuned.vit.blocks[3].mlp.tuner
        assert torch.equal(tuned(image), plain(image))
        assert tuner.gate.item() == pytest.approx(gate)
        trained = [value for value in tuned.vit.parameters() if value.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=1e-6, eps=1e-20)
        tuned(image).square().sum().backward()
        optimizer.step()
        assert float(tuner.up.weight.detach().abs().max()) == pytest.approx(1e-6, rel=1e-3)
        changes.append((tuned.vit(image)[0] - plain.vit(image)[0]).detach())
    torch.testing.assert_close(changes[1], 0.1 * changes[0], rtol=1e-3, atol=1e-10)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "num_prompts must be a whole number of at least 1, not 0"),
        ({"num_prompts": 2.5}, "num_prompts must be a whole number of at least 1, not 2.5"),
        ({"bottleneck": -1}, "bottleneck must be a whole number"),
        ({"share": "3"}, "share must be a whole number of at least 1, not '3'"),
        ({"aggregate": "add"}, r"aggregate must be one of \('attend', 'prefix', 'tokens'\), not 'add'"),
        ({"input": "stream"}, "input must be 'residual' or 'norm', not 'stream'"),
        ({"zero": "down"}, "zero must be 'up' or 'gate', not 'down'"),
        ({"gate": 0}, "gate must be a positive number, not 0"),
        ({"gate": 0.1, "zero": "gate"}, "with zero='gate' g starts at 0; leave gate=0.1 out, or give zero='up'"),
        ({"temperature": 0}, "temperature must be a positive number, not 0"),
        ({"temperature": -1.0}, "temperature must be a positive number"),
        ({"temperature": "hot"}, "temperature must be a positive number, not 'hot'"),
        ({"temperature": float("nan")}, "temperature must be a positive number, not nan"),
        ({"cross_attention": False}, r"cross_attention=False exists for aggregate='tokens' alone \(released_vit\)"),
        ({"layers": []}, "layers must be different block numbers"),
        ({"layers": 3}, r"layers must be different block numbers, such as \[0, 1\], not 3"),
        ({"layers": [1, 1]}, "layers must be different block numbers"),
        ({"layers": ["1"]}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"DVPT: {message}"):
        DVPT(**arguments)


def test_more_prefix_prompts_than_tokens_are_refused():
    tune(vit(), DVPT(num_prompts=12, aggregate="prefix"))
    with pytest.raises(TuningError, match=r"DVPT: 13 prompts do not fit the 12 tokens.*give num_prompts=12 or less"):
        tune(vit(), DVPT(num_prompts=13, aggregate="prefix"))


def test_a_foreign_network_is_told_what_would_work():
    network = MonaiUNETR(1, 2, 32, feature_size=2, hidden_size=12, mlp_dim=24, num_heads=2, spatial_dims=2)
    with pytest.raises(TuningError, match=r"DVPT needs one sequence of all tokens.*UNETR has none; use a ViT or UNETR"):
        tune(network, DVPT(aggregate="tokens", input="norm"), train=["out*"])
    with pytest.raises(TuningError, match="has no residual2; use a network of this package"):
        tune(network, DVPT(input="residual"), train=["out*"])
    with pytest.raises(TuningError, match="no module of DVPT in the network"):
        attention_entropy(network, torch.rand(1, 1, 32, 32))


def test_attention_entropy_leaves_no_trace():
    tuned = tune(vit(), DVPT(num_prompts=4, bottleneck=3, layers=[1, 2])).train()
    modes = [module.training for module in tuned.modules()]
    assert len(attention_entropy(tuned, torch.rand(2, 1, 24, 24, dtype=torch.float64))) == 2
    assert [module.training for module in tuned.modules()] == modes
    assert not any(module._forward_pre_hooks for module in tuned.modules())
    with pytest.raises(ValueError, match="expected images"):
        attention_entropy(tuned, torch.rand(2, 1, 8, 8, dtype=torch.float64))
    assert not any(module._forward_pre_hooks for module in tuned.modules())


# --- is the attention alive? On the real backbone and real images -----------------------------------------------------

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def photograph(seed, size=112):
    """A disc with vessels and spots, where no real photograph is at hand."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    image = np.stack([(x**2 + y**2 < 0.9) * level for level in (0.7, 0.35, 0.15)])
    for _ in range(8):
        a, b, c = rng.normal(size=3)
        image *= 1 - 0.5 * np.exp(-(((y - a * x * x - b * x - c) / 0.02) ** 2))
    for _ in range(30):
        cx, cy = rng.uniform(-0.7, 0.7, 2)
        image += 0.3 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(1e-4, 3e-3))
    return torch.from_numpy(image.clip(0, 1)).float()


@pytest.fixture(scope="module")
def photographs():
    """Two fundus photographs, normalised: real ones where they are at hand."""
    from dvpt_monai.data import find_data
    from dvpt_monai.errors import DataError

    try:
        files = sorted((find_data("idrid_grading") / "images").glob("*.jpg"))[3:90:60]
        images = [np.asarray(Image.open(file).convert("RGB").resize((112, 112)), dtype=np.float32) for file in files]
        batch = torch.stack([torch.from_numpy(image / 255).permute(2, 0, 1) for image in images])
    except DataError:
        batch = torch.stack([photograph(0), photograph(1)])
    return (batch - MEAN[:, None, None]) / STD[:, None, None]


@pytest.fixture(scope="module")
def real(backbone_file):
    return ViTClassifier.from_pretrained(backbone_file, num_classes=2, img_size=112).eval()


def train_a_little(network, images, steps=4):
    optimizer = torch.optim.AdamW(parameter_groups(network, lr=5e-4))  # the authors' rate
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(network(images), torch.tensor([0, 1])).backward()
        optimizer.step()
    return network.eval()


def prompts_of(network, images):
    """q of every block, (B, m, r)."""
    seen = []

    def look(module, inputs):
        z = module.tuner.compress(inputs[0])
        seen.append(module.tuner.attention(inputs[0]) @ z)

    hooks = [block.mlp.register_forward_pre_hook(look) for block in network.vit.blocks]
    network(images)
    for hook in hooks:
        hook.remove()
    return seen


def test_the_attention_is_alive_on_real_features_and_matters(real, photographs, monkeypatch):
    network = tune(copy.deepcopy(real), DVPT())
    start = attention_entropy(network, photographs)
    assert len(start) == 12
    assert max(start) < 0.9, start
    train_a_little(network, photographs)
    trained = attention_entropy(network, photographs)
    assert max(trained) < 0.9, trained
    with torch.no_grad():
        y = network(photographs)
        # Two images have different prompts, and the prompts of one image differ from each other.
        for q in prompts_of(network, photographs):
            size = float(q.norm(dim=-1).mean())
            assert float((q[0] - q[1]).norm(dim=-1).mean()) > 0.02 * size
            assert float((q - q.mean(1, keepdim=True)).norm(dim=-1).mean()) > 0.1 * size
        monkeypatch.setattr(Bottleneck, "read", lambda self, queries, keys: torch.zeros_like(queries))
        without = network(photographs)
    assert float((without - y).norm() / y.norm()) > 0.01


def test_prompts_of_the_usual_size_would_be_dead(real, photographs):
    # The negative control: P ~ N(0, 0.02), and every prompt is the plain mean of all tokens.
    network = tune(copy.deepcopy(real), DVPT())
    with torch.no_grad():
        for block in network.vit.blocks:
            assert isinstance(block.mlp.tuner, Attend)
            block.mlp.tuner.prompts.mul_(0.02)
        assert min(attention_entropy(network, photographs)) > 0.99
        for q in prompts_of(network, photographs):
            assert float((q - q.mean(1, keepdim=True)).norm(dim=-1).mean()) < 0.05 * float(q.norm(dim=-1).mean())


def test_appended_prompts_are_a_tuner():
    tuner = PositionedPrompts(3, 12)
    x = torch.rand(2, 5, 12)
    y = nn.Identity()(x)
    assert torch.equal(tuner.after(x, y)[:, :5], x)
    assert torch.equal(tuner.after(x, y)[0, 5:], tuner.after(x, y)[1, 5:])
