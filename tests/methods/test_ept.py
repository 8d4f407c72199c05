"""EPT against Eq. 5 by brute force in float64, and what its closed form promises: no matrix, no cost of d_p."""

import math

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from dvpt_monai import (
    EPT,
    UNETR,
    VPT,
    FullFineTuning,
    LoRA,
    Stack,
    TuningError,
    ViTClassifier,
    collapse,
    load_adapter,
    parameter_groups,
    report,
    save_adapter,
    tune,
)
from dvpt_monai.methods.ept import EmbeddedAttention, EmbeddedPrompts, ScoredAttention, ScorePrompts
from dvpt_monai.networks.vit import ScaledDotProduct

N, D = 20, 24
SCALE = D**-0.5


def vit(img_size=32, **more):
    torch.manual_seed(0)
    sizes = {"patch_size": 8, "hidden_size": 24, "mlp_dim": 48, "num_layers": 3, "num_heads": 2, "num_registers": 2}
    return ViTClassifier(num_classes=3, in_channels=1, img_size=img_size, **{**sizes, **more}).double().eval()


def equation_5(q, k, v, prompts, keep=None):
    """softmax([P ; Q K^T / sqrt(d)]) without its first columns, times V; ``keep`` are dropout's factors."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = torch.cat((prompts.expand(*scores.shape[:2], -1, -1), scores), -1).softmax(-1)
    weights = weights[..., prompts.shape[1] :]
    return (weights if keep is None else weights * keep) @ v


def qkv(n=N, d=D, dtype=torch.float32):
    torch.manual_seed(1)
    return [torch.randn(2, 3, n, d, dtype=dtype) for _ in range(3)]


def attention(prompts):
    module = EmbeddedAttention(ScaledDotProduct(), EmbeddedPrompts(*prompts.shape, None, 0))
    module.tuner.prompts.data = prompts.clone()
    return module


# --- the formula -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [64, 24, 6, 7])
@pytest.mark.parametrize("d_p", [1, 10, 600])
def test_outputs_and_gradients_are_those_of_equation_5(d, d_p):
    single = [t.requires_grad_() for t in qkv(d=d)]
    prompts = torch.randn(N, d_p) + torch.linspace(-4, 4, N)[:, None]  # gates from nearly shut to nearly open
    module = attention(prompts)
    double = [t.detach().double().requires_grad_() for t in (*single, prompts)]
    y, z = module(*single, d**-0.5), equation_5(*double)
    assert float((y - z).abs().max()) < 1e-6
    upstream = torch.randn_like(y)
    y.backward(upstream)
    z.backward(upstream.double())
    for name, mine, theirs in zip("qkvP", (*single, module.tuner.prompts), double, strict=True):
        assert float((mine.grad - theirs.grad).abs().max()) < 1e-5, name


def test_the_scale_of_the_padded_queries_would_be_wrong():
    # The negative control of the pitfall: PyTorch's default scale follows the padded width.
    q, k, v = qkv()
    module = attention(torch.randn(N, 10))
    extended = module.tuner.extended(q, k, v, SCALE)
    wrong = functional.scaled_dot_product_attention(*extended)[..., :D]
    assert float((wrong - equation_5(q, k, v, module.tuner.prompts)).abs().max()) > 1e-3


def test_the_closed_form_is_a_gate_on_plain_attention():
    q, k, v = qkv(dtype=torch.float64)
    prompts = torch.randn(N, 10, dtype=torch.float64)
    scores = q @ k.transpose(-2, -1) * SCALE
    gate = torch.sigmoid(scores.logsumexp(-1) - prompts.logsumexp(-1))
    torch.testing.assert_close(gate[..., None] * (scores.softmax(-1) @ v), equation_5(q, k, v, prompts))


def test_in_half_precision_the_output_stays_close():
    q, k, v = qkv()
    prompts = torch.randn(N, 100)
    reference = equation_5(q, k, v, prompts)
    for dtype in (torch.bfloat16, torch.float16):
        y = attention(prompts).to(dtype)(*(t.to(dtype) for t in (q, k, v)), SCALE)
        assert float((y.float() - reference).abs().max()) < 0.03


@pytest.mark.parametrize("variant", ["multiply-concat", "add", "multiply"])
def test_the_reference_variants_are_their_formulas(variant):
    q, k, v = qkv(dtype=torch.float64)
    module = ScoredAttention(ScaledDotProduct(), ScorePrompts(N, 10, variant, 0)).double()
    module.tuner.prompts.data.normal_()
    p = module.tuner.prompts
    scores = torch.einsum("bhnd,bhmd->bhnm", q, k) / math.sqrt(D)
    if variant == "multiply-concat":
        spread = scores.max(-1).values - scores.min(-1).values
        columns = p * spread[..., None]
        total = columns.exp().sum(-1) + scores.exp().sum(-1)
        weights = scores.exp() / total[..., None]
    else:
        changed = scores + p if variant == "add" else scores * p
        weights = changed.exp() / changed.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(module(q, k, v, SCALE), weights @ v)


def test_dropout_of_the_weights_commutes_with_the_closed_form():
    # Dropping the extra key multiplies a value of 0: the mask of the other columns decides.
    q, k, v = qkv()
    module = attention(torch.randn(N, 10))
    module.base.drop_weights.p = 0.5
    module.base.drop_weights.train()
    torch.manual_seed(3)
    mean = torch.stack([module(q, k, v, SCALE) for _ in range(3000)]).mean(0)
    assert float((mean - equation_5(q, k, v, module.tuner.prompts)).abs().max()) < 0.1
    assert not torch.equal(module(q, k, v, SCALE), module(q, k, v, SCALE))


# --- what it never builds --------------------------------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """The most numbers per image and head that any operation puts out."""

    def __init__(self):
        super().__init__()
        self.matrices = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.ndim >= 3:
                self.matrices.append(tuple(tensor.shape[-2:]))
        return out


@pytest.mark.parametrize(("variant", "builds"), [("concat", False), ("multiply-concat", True), ("add", True)])
def test_no_matrix_of_scores_is_built_in_training_or_inference(variant, builds):
    network = vit(hidden_size=48, num_heads=4)  # no width of channels that could pass for a number of keys
    n = network.vit.end
    tune(network, EPT(num_prompts=None if variant == "add" else 13, variant=variant)).train()
    with Largest() as seen:
        network(torch.rand(2, 1, 32, 32, dtype=torch.float64)).square().sum().backward()
    wide = {shape for shape in seen.matrices if shape[0] == n and n <= shape[1] <= n + 13}
    assert bool(wide) == builds, wide


def held_for_backward(network, x):
    """Bytes of distinct memory that a training step keeps for its backward pass, parameters apart."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = network.train()(x).square().sum()
        held = sum(kept.values())
        del loss
    return held


def test_a_step_holds_the_memory_of_lora_whatever_the_number_of_prompts():
    x = torch.rand(4, 3, 112, 112)

    def build():
        return ViTClassifier(num_classes=2, in_channels=3, img_size=112, num_layers=3, hidden_size=192, mlp_dim=768,
                             num_heads=3)  # fmt: skip

    held = {method: held_for_backward(tune(build(), method), x) for method in (LoRA(), EPT(100), EPT(600))}
    lora, few, many = held.values()
    assert few < 1.05 * lora
    assert many < 1.05 * few
    assert held_for_backward(tune(build(), FullFineTuning()), x) > 1.2 * lora, "the measure tells methods apart"
    assert held_for_backward(tune(build(), EPT(600, variant="multiply-concat")), x) > 1.3 * few


# --- prompts ---------------------------------------------------------------------------------------------------------


def test_the_papers_numbers_of_parameters():
    with torch.device("meta"):
        network = ViTClassifier(num_classes=5, in_channels=3, img_size=224)
        assert report(tune(network, EPT())).method == 12 * 197 * 100
    with torch.device("meta"):
        shallow = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), EPT(deep=False))
        assert report(shallow).method == 197 * 100
        volume = UNETR(in_channels=1, out_channels=2, img_size=96, cls_token=False)
        assert tune(volume, EPT()).vit.blocks[0].attn.attend.tuner.prompts.shape == (216, round(100 * 216 / 197))


def test_collapse_leaves_one_number_per_layer_and_position(tmp_path):
    network = tune(vit(), Stack(EPT(num_prompts=50), LoRA(rank=2)))
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(std=0.5)
    short = collapse(network)
    x = torch.rand(2, 1, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        y = network(x)
        torch.testing.assert_close(short(x), y, rtol=1e-12, atol=1e-12)
        assert sum(p.numel() for name, p in short.named_parameters() if "attend" in name) == 3 * network.vit.end
        assert report(network).method - report(short).method == 3 * network.vit.end * 49
        again = load_adapter(vit(), save_adapter(short, tmp_path / "short.safetensors"))
        assert torch.equal(again(x), short(x))
        assert torch.equal(network(x), y), "the original is untouched"
    short.train()(x).sum().backward()
    assert all(p.grad is not None for p in short.parameters() if p.requires_grad)
    for other in (vit(), tune(vit(), LoRA()), tune(vit(), EPT(variant="add"))):
        with pytest.raises(TuningError, match="no prompts of EPT's variant 'concat'"):
            collapse(other)


@pytest.mark.parametrize("wanted", [0.3, 0.76, 0.95])
def test_init_gate_sets_the_mean_gate_of_normal_scores(wanted):
    torch.manual_seed(0)
    prompts = EmbeddedPrompts(197, 100, wanted, 1)
    scores = torch.randn(50, 197, 197)
    gate = torch.sigmoid(scores.logsumexp(-1) - prompts.column(197))
    assert float(gate.mean()) == pytest.approx(wanted, abs=0.02)


def test_without_init_gate_the_start_is_the_papers():
    torch.manual_seed(0)
    prompts = EmbeddedPrompts(197, 100, None, 1)
    assert float(prompts.prompts.std()) == pytest.approx(0.02, rel=0.05)
    gate = torch.sigmoid(torch.randn(50, 197, 197).logsumexp(-1) - prompts.column(197))
    assert float(gate.mean()) == pytest.approx(0.76, abs=0.01)
    few = EmbeddedPrompts(27, 100, None, 1)
    gate = torch.sigmoid(torch.randn(200, 27, 27).logsumexp(-1) - few.column(27))
    assert float(gate.mean()) == pytest.approx(0.31, abs=0.02)


@pytest.mark.parametrize("variant", ["concat", "multiply-concat", "add", "multiply"])
def test_prompts_follow_another_image_size(variant):
    network = tune(vit(), EPT(variant=variant))
    tuners = [block.attn.attend.tuner for block in network.vit.blocks]
    x = torch.rand(2, 1, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        y = network(x)
        network.vit.resize(32)
        torch.testing.assert_close(network(x), y)
        first = network.vit.first
        before = [tuner.prompts.detach().clone() for tuner in tuners]
        network.vit.resize((48, 64))
        assert network(torch.rand(2, 1, 48, 64, dtype=torch.float64)).isfinite().all()
    for tuner, old in zip(tuners, before, strict=True):
        assert tuner.prompts.shape[0] == first + 6 * 8
        assert torch.equal(tuner.prompts[:first, :first], old[:first, :first]), "CLS and registers keep their rows"
        if variant == "concat":
            grid = old[first:].reshape(4, 4, -1).permute(2, 0, 1)[None]
            expected = functional.interpolate(grid, size=(6, 8), mode="bicubic", align_corners=False)[0]
            torch.testing.assert_close(tuner.prompts[first:].detach(), expected.flatten(1).T)


def test_tokens_of_other_methods_are_left_alone():
    # A prompt token of VPT has no row in P: its own attention is plain, and it is one more key for the others.
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, N + 3, D, dtype=torch.float64) for _ in range(3))
    module = attention(torch.randn(N, 5, dtype=torch.float64)).double()
    y = module(q, k, v, SCALE)
    plain = functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(y[:, :, N:], plain[:, :, N:])
    torch.testing.assert_close(y[:, :, :N], equation_5(q[:, :, :N], k, v, module.tuner.prompts))
    both = tune(vit(), Stack(EPT(num_prompts=5), VPT(num_prompts=3)))
    assert both(torch.rand(1, 1, 32, 32, dtype=torch.float64)).isfinite().all()


def test_prompts_learn_without_decay():
    network = tune(vit(), EPT(num_prompts=5))
    decayed = {id(p) for group in parameter_groups(network, lr=0.1) if group["weight_decay"] for p in group["params"]}
    assert not any(id(p) in decayed for name, p in network.named_parameters() if "tuner" in name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "num_prompts must be a whole number of at least 1, not 0"),
        ({"num_prompts": 2.5}, "num_prompts must be a whole number"),
        ({"variant": "concatenate"}, "variant must be one of"),
        ({"variant": "add", "num_prompts": 4}, "one prompt for each token; leave num_prompts out"),
        ({"init_gate": 1.0}, "init_gate must be between 0 and 1"),
        ({"init_gate": 0.5, "variant": "multiply"}, "for variant 'concat' alone"),
        ({"layers": [0, 0]}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(TuningError, match=f"EPT: .*{message}"):
        EPT(**arguments)


def test_layers_and_stacks_that_do_not_fit_are_refused(unchanged):
    network = vit()
    with unchanged(network), pytest.raises(TuningError, match=r"EPT: layers \[3\] are out of range; .* blocks 0 to 2"):
        tune(network, EPT(layers=(0, 3)))
    with unchanged(network), pytest.raises(TuningError, match="'add' must come before other methods"):
        tune(network, Stack(EPT(num_prompts=2), EPT(variant="add")))
