"""Every method on every network keeps the contract's promises; a new method is tested by being defined.

A case is trained for two steps once, in float64 where rounding cannot pass for a gradient, and every test looks at it
from another side.
"""

import copy
import hashlib
import io
import pickle
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product

import pytest
import torch
from monai.networks.nets import SwinUNETR
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import dvpt_monai
from dvpt_monai import (
    CVPT,
    DTL,
    DVPT,
    EPT,
    EVP,
    LST,
    METHODS,
    SSF,
    UNETR,
    VPT,
    Adapter,
    AdaptFormer,
    BitFit,
    Convpass,
    DoRA,
    FPTPlus,
    FullFineTuning,
    GatedVPT,
    LoRA,
    Method,
    NormTuning,
    PartialFineTuning,
    SideDVPT,
    SliceClassifier,
    Stack,
    Tuned,
    Tuner,
    TuningError,
    VisualPrompt,
    ViTClassifier,
    disabled,
    load_adapter,
    merge,
    parameter_groups,
    read_header,
    save_adapter,
    swap_adapter,
    tune,
    untune,
)
from dvpt_monai.bundle import leave_processes
from dvpt_monai.tuning import trained_tensors

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "patch_size": 8}


def swin_unetr(dropout_rate=0.0, **more):
    """MONAI's own network, with the list of its fresh parts that ours carry themselves."""
    network = SwinUNETR(1, 2, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 2), window_size=4, feature_size=12,
                        drop_rate=dropout_rate, **more)  # fmt: skip
    network.fresh = ["encoder*", "decoder*", "out.*"]
    network.img_size = (64, 32, 32)[: more["spatial_dims"]]
    return network


NETWORKS = {
    "vit-2d-registers": lambda **more: ViTClassifier(
        num_classes=3, in_channels=3, img_size=16, num_layers=2, num_registers=2, **SMALL, **more
    ),
    "vit-2d-tap": lambda **more: ViTClassifier(
        num_classes=3, pooling="cls+mean", in_channels=3, img_size=16, num_layers=3, tap=2, **SMALL, **more
    ),
    "vit-3d-depth": lambda **more: ViTClassifier(
        num_classes=3,
        pooling="mean",
        in_channels=1,
        img_size=16,
        num_layers=2,
        spatial_dims=3,
        depth_embedding=True,
        **SMALL,
        **more,
    ),
    "vit-2d-rotary": lambda **more: ViTClassifier(
        num_classes=3,
        in_channels=3,
        img_size=16,
        num_layers=2,
        num_registers=2,
        activation="swiglu",
        positions=False,
        rotary={},
        **SMALL,
        **more,
    ),
    "vit-3d-primus": lambda **more: ViTClassifier(  # all that its blocks have; no CLS, no cubes
        num_classes=3,
        pooling="mean",
        in_channels=1,
        img_size=(8, 16, 16),
        num_layers=2,
        spatial_dims=3,
        cls_token=False,
        activation="swiglu",
        attn_norm=True,
        mlp_norm=True,
        rotary={"base": 10000.0, "interleaved": True, "reference": "own"},
        **{**SMALL, "patch_size": (4, 8, 8)},
        **more,
    ),
    "slices-3d": lambda **more: SliceClassifier(  # chunks of 4 of the 6 slices in a batch of two
        num_classes=3, axes=(2,), chunk=4, in_channels=1, img_size=16, num_layers=2, **SMALL, **more
    ),
    "vit-3d-planes": lambda **more: ViTClassifier(
        num_classes=3,
        pooling="cls+mean",
        in_channels=1,
        img_size=(16, 8, 16),
        num_layers=3,
        tap=2,
        spatial_dims=3,
        depth_embedding=True,
        planes=True,
        num_registers=1,
        **SMALL,
        **more,
    ),
    "unetr-3d-slices": lambda **more: UNETR(
        in_channels=1, out_channels=2, img_size=16, feature_size=2, num_layers=3, slices=True, **SMALL, **more
    ),
    "unetr-3d-rotary": lambda **more: UNETR(
        in_channels=1,
        out_channels=2,
        img_size=16,
        feature_size=2,
        num_layers=3,
        activation="swiglu",
        positions=False,
        rotary={},
        **SMALL,
        **more,
    ),
    "unetr-2d": lambda **more: UNETR(
        in_channels=1,
        out_channels=2,
        img_size=32,
        feature_size=2,
        spatial_dims=2,
        num_layers=4,
        **{**SMALL, "patch_size": 16},
        **more,
    ),
    "unetr-3d": lambda **more: UNETR(
        in_channels=1, out_channels=2, img_size=16, feature_size=2, num_layers=3, **SMALL, **more
    ),
    "swin-2d": lambda **more: swin_unetr(spatial_dims=2, **more),
    "swin-3d": lambda **more: swin_unetr(spatial_dims=3, **more),
}

# Small arguments for the tiny networks; a method that is not here runs with its defaults.
SAMPLES = {
    "DVPT": {
        "DVPT-attend": DVPT(num_prompts=4, bottleneck=3),
        "DVPT-prefix-shared": DVPT(num_prompts=5, bottleneck=3, aggregate="prefix", share=2, input="residual"),
        "DVPT-tokens": DVPT(num_prompts=4, bottleneck=3, aggregate="tokens", input="residual"),
        "DVPT-one-layer": DVPT(num_prompts=4, bottleneck=3, temperature=0.5, layers=(1,)),
    },
    "EPT": {
        "EPT": EPT(num_prompts=5),
        "EPT-shallow": EPT(num_prompts=5, deep=False, init_gate=0.5),
        "EPT-multiply-concat": EPT(num_prompts=5, variant="multiply-concat"),
        "EPT-add": EPT(variant="add"),
        "EPT-multiply": EPT(variant="multiply"),
    },
    "VPT": {"VPT": VPT(num_prompts=3), "VPT-shallow": VPT(num_prompts=3, deep=False)},
    "GatedVPT": {"GatedVPT": GatedVPT(num_prompts=3)},
    "CVPT": {"CVPT": CVPT(num_prompts=3)},
    "VisualPrompt": {"VisualPrompt": VisualPrompt(pad=2)},
    "EVP": {"EVP": EVP(bottleneck=4)},
    "Adapter": {"Adapter": Adapter(bottleneck=4)},
    "AdaptFormer": {"AdaptFormer": AdaptFormer(bottleneck=4)},
    "LoRA": {
        "LoRA": LoRA(rank=2),
        "LoRA-everywhere": LoRA(
            rank=2, alpha=2, slices=("q", "k", "v"), modules=("*attn.*proj", "*attn.qkv", "*mlp.linear?")
        ),
    },
    "DoRA": {"DoRA": DoRA(rank=2), "DoRA-mlp": DoRA(rank=2, modules=("*mlp.linear1",))},
    "Convpass": {"Convpass": Convpass(bottleneck=2)},
    "SideDVPT": {
        "SideDVPT": SideDVPT(num_prompts=3, bottleneck=4, width=5),
        "SideDVPT-one-layer": SideDVPT(num_prompts=3, bottleneck=4, width=5, layers=(1,)),
    },
    "DTL": {"DTL": DTL(), "DTL+": DTL(convolution=True)},
    "LST": {"LST": LST(reduction=2), "LST-one-layer": LST(reduction=3, layers=(0,))},
    # Without its dropout, which test_fpt_plus.py wakes, and asking more than one token, among which to choose.
    "FPTPlus": {
        "FPTPlus": FPTPlus(num_prompts=3, reduction=2, share=0.4, dropout=0.0),
        "FPTPlus-all": FPTPlus(num_prompts=3, reduction=3, depth=2, share=0.5, shrink=1, dropout=0.0),
    },
    "Stack": {
        # Two tuners on each residual sum, one on each mlp, and parameters of the backbone.
        "Stack": Stack(
            DVPT(num_prompts=4, bottleneck=3, input="residual"),
            DVPT(num_prompts=2, bottleneck=2, input="residual"),
            DVPT(num_prompts=2, bottleneck=2, input="norm"),
            BitFit(),
        ),
        "Stack-merges": Stack(DoRA(rank=2), LoRA(rank=2), LoRA(rank=1), SSF(), NormTuning()),
        "Stack-attention": Stack(CVPT(num_prompts=2), EPT(num_prompts=3), VPT(num_prompts=2), EPT(num_prompts=2)),
        "Stack-beside": Stack(SideDVPT(num_prompts=3, bottleneck=4, width=5), LoRA(rank=2), BitFit()),
        "Stack-sequence": Stack(
            DVPT(num_prompts=2, bottleneck=2, aggregate="tokens"),
            VPT(num_prompts=2),
            Convpass(bottleneck=2),
            Adapter(bottleneck=2),
            VisualPrompt(pad=1),
        ),
    },
}

METHOD_SAMPLES: dict[str, Method] = {
    label: method for name in METHODS for label, method in (SAMPLES.get(name) or {name: METHODS[name]()}).items()
}


# Methods of the one sequence of tokens, which the windows of a SwinUNETR are not: they must say so.
OF_SEQUENCES = (
    "EPT",
    "VPT",
    "GatedVPT",
    "CVPT",
    "VisualPrompt",
    "EVP",
    "Convpass",
    "SideDVPT",
    "DTL",
    "LST",
    "FPTPlus",
)


def needs_sequence(method):
    if isinstance(method, Stack):
        return any(needs_sequence(part) for part in method.methods)
    return type(method).__name__ in OF_SEQUENCES or getattr(method, "aggregate", "attend") != "attend"


def applies(network, method):
    """Whether a method works on a network; DVPT reads the residual stream where there is a module of the sum."""
    parts = method.methods if isinstance(method, Stack) else (method,)
    if network == "swin-3d":  # slow; in 2D it is the same code
        return method in (METHOD_SAMPLES["LoRA"], METHOD_SAMPLES["SSF"], METHOD_SAMPLES["DVPT-attend"])
    if network == "vit-3d-planes" and isinstance(method, EPT):  # the others have a score for all pairs of tokens
        return method.variant == "concat"
    return "swin" not in network or not (
        needs_sequence(method) or any(getattr(part, "input", "norm") == "residual" for part in parts)
    )


FIRST = {next(iter(SAMPLES.get(name) or {name: None})) for name in METHODS}
"""One sample of each method; the others are its variants."""
SPANNING = ("vit-3d-primus", "vit-3d-planes", "unetr-2d", "unetr-3d-slices", "swin-2d")
"""Networks that between them have all that tells networks apart: taps, depth, rotations, gates, slices, windows."""


def marks(network, label, quick):
    """By default what is quick; slow is one sample of each method on some networks that have what the others have."""
    if quick:
        return []
    return [pytest.mark.slow if label in FIRST and network in SPANNING else pytest.mark.product]


def cases():
    """Every method on every network; by default all on the first, and DVPT on each."""
    for network, (label, method) in product(NETWORKS, METHOD_SAMPLES.items()):
        if applies(network, method):
            quick = network == "vit-2d-registers" or (label == "DVPT-attend" and network != "swin-3d")
            yield pytest.param((network, label), id=f"{network}/{label}", marks=marks(network, label, quick))


def image(network):
    if isinstance(network, SwinUNETR):
        return torch.rand(2, 1, *network.img_size, dtype=next(network.parameters()).dtype)
    vit = network.vit
    size = [*vit.img_size, 3] if getattr(network, "reads_slices", False) else vit.img_size
    return torch.rand(2, vit.in_channels, *size, dtype=next(vit.parameters()).dtype)


def digests(network):
    return {
        key: hashlib.sha256(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
        for key, value in network.state_dict().items()
    }


def trains(network, method, key):
    """Whether a tensor is the tuner's, of the parts that no file fills, or of the backbone's that the method chose."""
    if ".tuner." in key:
        return True
    if not network.state_dict()[key].is_floating_point():
        return False  # an index, such as the relative positions of a window
    chosen = method.chosen(network)
    fresh = [part for part in network.fresh if not (method.spares_blocks and part.endswith("depth_embedding"))]
    wanted = [*fresh, *(pattern for pattern in chosen if not pattern.startswith("!"))]
    excluded = [pattern[1:] for pattern in chosen if pattern.startswith("!")]
    return any(fnmatchcase(key, p) for p in wanted) and not any(fnmatchcase(key, p) for p in excluded)


@dataclass
class Trained:
    """A network before tuning, the same tuned and trained for two steps, and what was seen on the way."""

    method: Method
    plain: nn.Module
    x: torch.Tensor
    reference: torch.Tensor  # what the plain network gives
    start: torch.Tensor  # what the tuned one gives before its first step
    gradients: list[dict[str, torch.Tensor | None]]
    tuned: nn.Module
    output: torch.Tensor  # what the trained one gives


def build(network, **more):
    torch.manual_seed(0)
    return NETWORKS[network](**more).double().eval()


def step(network, x, target, optimizer):
    optimizer.zero_grad()
    network.train()
    functional.mse_loss(network(x), target).backward()
    gradients = {key: value.grad for key, value in trained_tensors(network).items() if isinstance(value, nn.Parameter)}
    gradients = {key: None if value is None else value.clone() for key, value in gradients.items()}
    optimizer.step()
    return gradients


@pytest.fixture(scope="module", params=list(cases()))
def case(request) -> Trained:
    network, method = request.param
    method = METHOD_SAMPLES[method]
    plain = build(network)
    tuned = tune(copy.deepcopy(plain), method)
    x = image(plain)
    with torch.no_grad():
        reference, start = plain(x), tuned(x)
    target = torch.rand_like(reference)
    optimizer = torch.optim.AdamW(parameter_groups(tuned, lr=1e-2))
    gradients = [step(tuned, x, target, optimizer) for _ in range(2)]
    tuned.eval()
    with torch.no_grad():
        output = tuned(x)
    return Trained(method, plain, x, reference, start, gradients, tuned, output)


def test_identity_at_the_start_where_claimed(case):
    assert torch.equal(case.start, case.reference) == case.method.starts_as_identity


def test_training_changes_the_output(case):
    assert (case.output - case.start).abs().max() > 1e-6


def test_only_the_tuner_and_the_trained_parts_change(case):
    before, after = digests(case.plain), digests(case.tuned)
    for key, digest in before.items():
        assert (after[key] != digest) == trains(case.plain, case.method, key), key


def test_every_trained_tensor_gets_a_gradient(case):
    # The gate of DVPT starts at 0, so what is behind it sees its first gradient in the second step; each has one from
    # the first backward on all the same, which is what DistributedDataParallel asks for.
    expected = {key for key in case.tuned.state_dict() if trains(case.plain, case.method, key)}
    for seen in case.gradients:
        assert seen.keys() <= expected
        assert all(gradient is not None and gradient.isfinite().all() for gradient in seen.values())
    shared = {key for key in expected if key not in case.gradients[0]}
    state = case.tuned.state_dict(keep_vars=True)
    owned = {id(state[key]) for key in case.gradients[0]}
    assert all(id(state[key]) in owned for key in shared), "missing, and not shared with another block"
    largest = {key: max(float(seen[key].abs().max()) for seen in case.gradients) for key in case.gradients[0]}
    assert min(largest.values()) > 1e-12, min(largest, key=largest.get)


def test_backbone_keys_are_kept(case):
    before, after = case.plain.state_dict().keys(), case.tuned.state_dict().keys()
    assert before <= after
    assert all(".tuner." in key for key in after - before)


def test_a_plain_checkpoint_loads_before_and_after(case):
    checkpoint_ = case.plain.state_dict()
    build_again = copy.deepcopy(case.plain)
    assert build_again.load_state_dict(checkpoint_)  # strict
    tuned = copy.deepcopy(case.tuned)
    missing, unexpected = tuned.load_state_dict(checkpoint_, strict=False)
    assert set(missing) == tuned.state_dict().keys() - checkpoint_.keys()
    assert unexpected == []
    assert all(torch.equal(tuned.state_dict()[key], value) for key, value in checkpoint_.items())


def test_a_whole_state_dict_returns(case):
    other = tune(copy.deepcopy(case.plain), case.method)
    other.load_state_dict(case.tuned.state_dict())
    with torch.no_grad():
        assert torch.equal(other(case.x), case.output)


def test_an_adapter_returns_the_trained_network(case, tmp_path):
    path = save_adapter(case.tuned, tmp_path / "adapter.safetensors")
    assert Method.from_arguments(read_header(path)["method"]) == case.method
    other = load_adapter(copy.deepcopy(case.plain), path)
    with torch.no_grad():
        assert torch.equal(other(case.x), case.output)
    assert digests(other) == digests(case.tuned)
    assert {k for k, p in other.named_parameters() if p.requires_grad} == {
        k for k, p in case.tuned.named_parameters() if p.requires_grad
    }


def test_merge_is_equal_or_says_why_not(case):
    if not case.method.merges:
        with pytest.raises(TuningError, match=r"^merge: .*Keep the adapter"):
            merge(case.tuned)
        return
    merged = merge(case.tuned)
    assert merged.state_dict().keys() == case.plain.state_dict().keys()
    assert not hasattr(merged, "tuning")
    with torch.no_grad():
        torch.testing.assert_close(merged(case.x), case.output, rtol=1e-9, atol=1e-9)
        assert torch.equal(case.tuned(case.x), case.output)


def test_disabled_leaves_the_plain_backbone_and_returns_the_tuned_one(case):
    trained = digests(case.tuned)
    plain = digests(case.plain)
    fresh = tuple(case.plain.fresh)
    with disabled(case.tuned) as network:
        inside = digests(network)
        assert inside.keys() == plain.keys()
        for key in plain:
            is_fresh = any(fnmatchcase(key, pattern) for pattern in fresh)
            assert inside[key] == (trained[key] if is_fresh else plain[key]), key
    assert digests(case.tuned) == trained
    with torch.no_grad():
        assert torch.equal(case.tuned(case.x), case.output)


def test_untune_leaves_the_backbone_bit_identical(case):
    network = untune(copy.deepcopy(case.tuned))
    before, after = digests(case.plain), digests(network)
    assert after.keys() == before.keys()
    for key in before:
        if not any(fnmatchcase(key, pattern) for pattern in case.plain.fresh):
            assert after[key] == before[key], key
    assert not any(isinstance(module, Tuned) for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(module.training for module in network.train().modules())


def test_adapters_swap_on_one_backbone_and_back(case, tmp_path):
    mine = save_adapter(case.tuned, tmp_path / "mine.safetensors")
    bias = save_adapter(tune(copy.deepcopy(case.plain), BitFit()), tmp_path / "bias.safetensors")
    network = swap_adapter(copy.deepcopy(case.tuned), bias)
    plain = digests(case.plain)
    with torch.no_grad():
        assert torch.equal(network(case.x), case.reference), "an untrained BitFit is the plain network, head and all"
        with disabled(network):
            assert digests(network) == plain
        assert torch.equal(swap_adapter(network, mine)(case.x), case.output)
    assert digests(network) == digests(case.tuned)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_are_equal_and_live_on_their_own(case, duplicate):
    other = duplicate(case.tuned)
    with torch.no_grad():
        assert torch.equal(other(case.x), case.output)
    case.tuned.eval()
    other.train()
    assert not any(module.training for module in case.tuned.modules())
    modes = [module.training for module in other.modules()]
    case.tuned.train()
    assert modes == [module.training for module in case.tuned.modules()]
    case.tuned.eval()


def test_activation_checkpointing_gives_the_same_gradients(case):
    def gradients(run):
        network = copy.deepcopy(case.tuned).train()
        run(network).square().sum().backward()
        return {key: value.grad for key, value in network.named_parameters() if value.requires_grad}

    direct = gradients(lambda network: network(case.x))
    again = gradients(lambda network: checkpoint(network, case.x, use_reentrant=False))
    assert all(torch.equal(direct[key], again[key]) for key in direct)


def test_bf16_as_autocast_and_as_weights(case):
    single = copy.deepcopy(case.tuned).float().train()
    x = case.x.float()
    with torch.autocast("cpu", torch.bfloat16):
        y = single(x)
        functional.mse_loss(y.float(), torch.zeros_like(y, dtype=torch.float32)).backward()
    assert all(p.grad.isfinite().all() for p in single.parameters() if p.requires_grad)
    half = copy.deepcopy(case.tuned).bfloat16()
    with torch.no_grad():
        z = half(x.bfloat16())
    assert z.dtype == torch.bfloat16
    scale = float(case.output.abs().max())
    assert float((y.detach().double() - case.output).abs().max()) < 0.1 * scale
    assert float((z.double() - case.output).abs().max()) < 0.1 * scale


# --- the forms in which a network is deployed ------------------------------------------------------------------------

# A method without tuners leaves the plain network's modules; LinearProbe stands for all of those.
TUNERS = [label for label, method in METHOD_SAMPLES.items() if type(method).attach is not Method.attach]


def scripted(network, x):
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(network), buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


def traced(network, x):
    return torch.jit.trace(network, x, check_trace=False)


def exported(network, x):
    return torch.export.export(network, (x,)).module()


def compiled(network, x):
    torch.compiler.reset()
    return torch.compile(network, backend="eager", fullgraph=True)


KINDS = ("DVPT-attend", "EPT", "VPT", "LoRA", "SideDVPT", "LinearProbe")
"""One of each kind of place: beside a sum, in the attention, the sequence, a projection, beside the blocks; none."""


def deployments():
    """All of them; by default every method scripted, and DVPT in every form, on the first network."""
    ours = [network for network in NETWORKS if "swin" not in network]
    for form, network, method in product((scripted, traced, exported, compiled), ours, [*TUNERS, "LinearProbe"]):
        if not applies(network, METHOD_SAMPLES[method]):
            continue
        first = network == "vit-2d-registers"
        name = f"{form.__name__}-{network}-{method}"
        if first and (method == "DVPT-attend" or form is scripted):
            chosen = []
        else:
            sampled = (method in KINDS and network in SPANNING) or (first and method in FIRST)
            chosen = [pytest.mark.slow if sampled else pytest.mark.product]
        yield pytest.param(network, method, form, marks=[pytest.mark.export, *chosen], id=name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("network", "method", "form"), list(deployments()))
def test_deployed_forms_are_equal(network, method, form):
    tuned = tune(build(network), METHOD_SAMPLES[method])
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        x = image(tuned)
        y = tuned(x)
        torch.testing.assert_close(form(tuned, x)(x), y, rtol=1e-9, atol=1e-9)


# --- training and evaluation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", list(cases()))
def test_frozen_dropout_sleeps_and_trained_dropout_wakes(pair):
    network, method = pair[0], METHOD_SAMPLES[pair[1]]
    tuned = tune(build(network, dropout_rate=0.1), method)
    tuned.eval()
    assert not any(module.training for module in tuned.modules())
    tuned.train()
    x = image(tuned)
    with torch.no_grad():
        noise = float((tuned(x) - tuned(x)).abs().max())
        calm = float((tuned(x) - tuned.eval()(x)).abs().max())
    awake = isinstance(method, FullFineTuning | PartialFineTuning)
    assert (noise > 0) == awake
    assert (calm > 0) == awake
    # The rule itself: in training mode exactly where something trains.
    tuned.train()
    for name, module in tuned.named_modules():
        if any(parameter.requires_grad for parameter in module.parameters()):
            assert module.training, name
        elif not awake and "tuner" not in name and any(True for _ in module.parameters()):
            holds_tuner = any(isinstance(part, Tuner) for part in module.modules())
            assert module.training == holds_tuner, name


def test_partial_fine_tuning_wakes_the_dropout_of_its_blocks_alone():
    tuned = tune(build("vit-2d-registers", dropout_rate=0.1), PartialFineTuning(1)).train()
    modes = [{m.training for m in block.modules() if isinstance(m, nn.Dropout)} for block in tuned.vit.blocks]
    assert modes == [{False}, {True}]


@pytest.mark.parametrize("label", [label for label, method in METHOD_SAMPLES.items() if not applies("swin", method)])
def test_a_method_of_the_token_sequence_says_that_windows_have_none(label):
    network = build("swin-2d")
    with pytest.raises(TuningError, match=r"needs one sequence of all tokens.*SwinUNETR has none|has no residual2"):
        tune(network, METHOD_SAMPLES[label])
    assert not any(isinstance(module, Tuned) for module in network.modules())


# --- what is legitimately without a gradient --------------------------------------------------------------------------


@pytest.mark.parametrize("method", [FullFineTuning(), BitFit()], ids=["FullFineTuning", "BitFit"])
def test_the_bias_of_the_keys_has_no_gradient_by_mathematics(method):
    # It adds the same number to all scores of a row, which the softmax takes out: the fused bias is alive through its
    # queries and values, its middle third never is.
    tuned = tune(build("vit-2d-registers"), method)
    tuned(image(tuned)).square().sum().backward()
    for block in tuned.vit.blocks:
        q, k, v = (float(third.abs().max()) for third in block.attn.qkv.bias.grad.chunk(3))
        assert min(q, v) > 1e-9
        assert k < 1e-15


# --- more than one process -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["vit-2d-registers", "unetr-3d"])
def test_distributed_data_parallel_finds_every_parameter_used(network):
    # DDP raises in the second step if a parameter that requires a gradient had none in the first.
    tuned = tune(build(network), DVPT(num_prompts=4, bottleneck=3))
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    parallel = nn.parallel.DistributedDataParallel(tuned)
    try:
        optimizer = torch.optim.SGD([p for p in parallel.parameters() if p.requires_grad], lr=0.1)
        x = image(tuned)
        for _ in range(2):
            optimizer.zero_grad()
            parallel.train()(x).square().sum().backward()
            optimizer.step()
        modes = [module.training for module in tuned.modules()]
        assert modes == [module.training for module in tuned.train().modules()], "DDP's train() follows the rule"
    finally:
        leave_processes(parallel)


# --- the list of methods ---------------------------------------------------------------------------------------------


def test_every_method_is_public_frozen_and_names_itself():
    for name, cls in METHODS.items():
        assert getattr(dvpt_monai, name) is cls
        assert cls.__dataclass_params__.frozen
    for method in METHOD_SAMPLES.values():
        again = Method.from_arguments(method.arguments())
        assert again == method
        assert hash(again) == hash(method)
