"""The wrapper that no state dict shows."""

import copy

import pytest
import torch
from monai.networks.nets import UNETR as MonaiUNETR
from monai.networks.nets import ViT as MonaiViT
from torch import Tensor, nn

from dvpt_monai import (
    DVPT,
    LinearProbe,
    Stack,
    Tuned,
    Tuner,
    TuningError,
    ViTClassifier,
    attach,
    disabled,
    merge,
    report,
    tune,
    untune,
)
from dvpt_monai.tuning.tuned import detach, unwrapped, walk


class LowRank(Tuner):
    """A LoRA-like tuner with dropout, which merges: y + x A B."""

    def __init__(self, width: int, out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(width, 2))
        self.b = nn.Parameter(torch.randn(2, out))
        self.dropout = nn.Dropout(dropout)

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        return y + self.dropout(x) @ self.a @ self.b

    def merge(self, base: nn.Module) -> nn.Module:
        merged = nn.Linear(base.in_features, base.out_features)
        merged.weight.data = base.weight.data + (self.a @ self.b).T
        merged.bias.data = base.bias.data.clone()
        return merged


class Twice(Tuner):
    def before(self, x: Tensor) -> Tensor:
        return 2 * x


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 2)).double()


def test_before_and_after_surround_the_module():
    base = nn.Linear(3, 3)
    x = torch.rand(2, 3)
    assert torch.equal(Tuned(base, Tuner())(x), base(x))
    assert torch.equal(Tuned(base, Twice())(x), base(2 * x))
    outer = Tuned(Tuned(base, Twice()), LowRank(3, 3))
    torch.testing.assert_close(outer(x), base(2 * x) + x @ outer.tuner.a @ outer.tuner.b)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_wrappers_on_one_module_keep_its_keys_and_return_from_a_state_dict(levels):
    net = network()
    plain = copy.deepcopy(net.state_dict())
    for _ in range(levels):
        assert attach(net, "1.0", lambda name, module: LowRank(3, 3)) == ["1.0"]
    state = net.state_dict()
    new = {f"1.0.{'base.' * level}tuner.{name}" for level in range(levels) for name in "ab"}
    assert state.keys() == plain.keys() | new
    other = network()
    for _ in range(levels):
        attach(other, "1.0", lambda name, module: LowRank(3, 3))
    other.load_state_dict(state)
    x = torch.rand(4, 3).double()
    assert torch.equal(other(x), net(x))
    missing, unexpected = other.load_state_dict(plain, strict=False)
    assert (set(missing), unexpected) == (new, [])
    assert plain.keys() == network().state_dict().keys(), "loading changes nothing in the caller's dictionary"


def test_a_wrapper_inside_a_wrapped_module_keeps_the_keys():
    net = network()
    plain = net.state_dict().keys()
    attach(net, "1.0", lambda name, module: LowRank(3, 3))
    attach(net, "1", lambda name, module: LowRank(3, 3))
    assert net.state_dict().keys() == plain | {f"1.{part}tuner.{n}" for part in ("", "0.") for n in "ab"}
    other = network()
    attach(other, "1.0", lambda name, module: LowRank(3, 3))
    attach(other, "1", lambda name, module: LowRank(3, 3))
    other.load_state_dict(net.state_dict())
    assert [name for name, _, _ in walk(net)] == ["0", "1", "1.0", "1.1", "2"]


def test_attach_wraps_all_that_match_by_their_plain_names_and_shares_on_request():
    net = network()
    shared = LowRank(3, 3).double()
    assert attach(net, "*0", lambda name, module: shared) == ["0", "1.0"]
    assert net[0].tuner is net[1][0].tuner
    assert attach(net, "1.0", lambda name, module: Tuner()) == ["1.0"], "the name is the same once wrapped"
    assert isinstance(unwrapped(net[1][0]), nn.Linear)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_tuner_joins_the_networks_dtype(dtype):
    net = network().to(dtype)
    attach(net, "1", lambda name, module: LowRank(3, 3))
    assert net(torch.rand(2, 3).to(dtype)).dtype == dtype


def test_a_tuner_joins_the_networks_device():
    net = network().to("meta")
    attach(net, "1", lambda name, module: LowRank(3, 3))
    assert net[1].tuner.a.device.type == "meta"


def test_a_pattern_that_matches_nothing_is_refused_with_names_that_there_are():
    net = network()
    with pytest.raises(TuningError, match=r"no module of Sequential matches 'blocks.\*'.*0, 1, 1.0"):
        attach(net, "blocks.*", lambda name, module: Tuner())


@pytest.mark.parametrize("child", ["base", "tuner"])
def test_a_module_with_children_of_those_names_is_refused(child):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module(child, nn.Linear(2, 2))

    net = nn.Sequential(nn.Linear(2, 2), Own())
    with pytest.raises(TuningError, match=f"1 has children of its own named \\['{child}'\\]"):
        attach(net, "*", lambda name, module: Tuner())
    assert not any(isinstance(module, Tuned) for module in net.modules()), "nothing is wrapped by halves"


def test_detach_gives_the_modules_back_and_setattr_undoes():
    net = network()
    modules = list(net.modules())
    attach(net, "1.0", lambda name, module: LowRank(3, 3))
    attach(net, "1.0", lambda name, module: LowRank(3, 3))
    attach(net, "1", lambda name, module: LowRank(3, 3))
    x = torch.rand(4, 3).double()
    y = net(x)
    taken = detach(net)
    assert list(net.modules()) == modules
    for holder, child, wrapper in taken:
        setattr(holder, child, wrapper)
    assert torch.equal(net(x), y)


def with_low_rank(net, dropout=0.0, times=1):
    """What a LoRA would do, without a Method subclass: METHODS stays the package's."""
    tune(net, LinearProbe(), train=["2.*"])
    for _ in range(times):
        attach(net, "1.0", lambda name, module: LowRank(3, 3, dropout))
    return net.train(net.training)


@pytest.mark.parametrize("times", [1, 2])
def test_merge_folds_every_tuner_in_its_order(times):
    net = with_low_rank(network(), times=times).eval()
    x = torch.rand(4, 3).double()
    merged = merge(net)
    torch.testing.assert_close(merged(x), net(x))
    assert merged.state_dict().keys() == network().state_dict().keys()
    assert not hasattr(merged, "tuning")


def test_merge_of_a_tuner_that_cannot_names_it_and_what_could():
    net = tune(nn.Sequential(network()), LinearProbe(), train=["0.2.*"])
    attach(net, "0.1", lambda name, module: Twice())
    with pytest.raises(TuningError, match=r"merge: Twice .* LoRA, SSF, BitFit or NormTuning"):
        merge(net)


def test_dropout_of_a_tuner_wakes_and_that_of_the_frozen_module_sleeps():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.1)), nn.Linear(3, 2), nn.Dropout(0.1)
    ).double()
    with_low_rank(net, dropout=0.5)
    attach(net, "1", lambda name, module: LowRank(3, 3, 0.5))
    for _ in range(2):  # whatever the training loop calls at each step
        net.train()
        assert net[1].tuner.dropout.training
        assert not net[3].training
        assert not unwrapped(net[1])[1].training
        wrapped = unwrapped(net[1])[0]
        assert wrapped.training
        assert not wrapped.base.training
        assert wrapped.tuner.dropout.training
        net.eval()
        assert not any(module.training for module in net.modules())


# --- networks that are not of this package ----------------------------------------------------------------------------


def monai_vit():
    torch.manual_seed(0)
    return MonaiViT(
        in_channels=1,
        img_size=16,
        patch_size=8,
        hidden_size=12,
        mlp_dim=24,
        num_layers=2,
        num_heads=2,
        spatial_dims=2,
        classification=True,
        num_classes=3,
        post_activation=None,
    ).eval()


def test_monais_vit_is_tuned_through_its_mlp():
    net = monai_vit()
    plain = copy.deepcopy(net)
    x = torch.rand(2, 1, 16, 16)
    y = net(x)[0]
    tune(net, DVPT(num_prompts=3, bottleneck=2, input="norm"), train=["classification_head*"])
    assert torch.equal(net(x)[0], y)
    assert report(net).method == 2 * (2 * 12 * 2 + 2 + 12 + 1 + 3 * 2)
    for _ in range(2):
        net(x)[0].square().sum().backward()
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter -= parameter.grad
    assert not torch.equal(net(x)[0], y)
    with disabled(net):
        inside = net.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(value, inside[key]) != key.startswith("classification_head"), key
    untune(net)


def test_monais_unetr_is_tuned_with_its_decoder():
    net = MonaiUNETR(1, 2, 32, feature_size=2, hidden_size=12, mlp_dim=24, num_heads=2, spatial_dims=2).eval()
    x = torch.rand(1, 1, 32, 32)
    y = net(x)
    tune(net, DVPT(num_prompts=3, bottleneck=2, input="norm"), train=["encoder*", "decoder*", "out*"])
    assert torch.equal(net(x), y)
    assert not any("norm_cross_attn" in key and p.requires_grad for key, p in net.named_parameters())


def test_a_stack_wraps_the_stream_and_the_mlp_of_one_block():
    sizes = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_layers": 1, "num_heads": 2}
    net = ViTClassifier(num_classes=2, in_channels=1, img_size=16, **sizes)
    residual = [DVPT(num_prompts=m, input="residual") for m in (2, 3)]
    tune(net, Stack(*residual, DVPT(num_prompts=4, input="norm")))
    prompts = {k: tuple(v.shape) for k, v in net.state_dict().items() if k.endswith("prompts")}
    assert prompts == {
        "vit.blocks.0.residual2.base.tuner.prompts": (2, 20),
        "vit.blocks.0.residual2.tuner.prompts": (3, 20),
        "vit.blocks.0.mlp.tuner.prompts": (4, 20),
    }
