"""An ensemble is the mean of its members, runs what they share once, and leaves the network as it was."""

import copy
import io

import pytest
import torch
from torch import nn

from dvpt_monai import (
    DVPT,
    LST,
    UNETR,
    BackboneMismatchError,
    Ensemble,
    LinearProbe,
    LoRA,
    PartialFineTuning,
    SideDVPT,
    SliceClassifier,
    TuningError,
    ViTClassifier,
    load_adapter,
    save_adapter,
    tune,
)

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "patch_size": 8, "img_size": 16, "num_layers": 4}
NETWORKS = {
    "vit-2d": lambda: ViTClassifier(3, in_channels=3, pooling="cls+mean", standardize=True, **SMALL),
    "unetr-3d": lambda: UNETR(in_channels=1, out_channels=2, feature_size=2, **SMALL),
    "slices-3d": lambda: SliceClassifier(3, in_channels=1, **SMALL),
}
METHODS = [
    SideDVPT(num_prompts=3, bottleneck=4, width=5),
    LST(reduction=2),
    DVPT(layers=[3]),
    LoRA(rank=2, layers=[2, 3]),
    PartialFineTuning(1),
    LinearProbe(),
]


@pytest.fixture(params=NETWORKS)
def plain(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


@pytest.fixture
def adapters(plain, tmp_path):
    """`adapters(method, ...)` are files of adapters that have learned something."""

    def trained(*methods):
        paths = []
        for index, method in enumerate(methods):
            tuned = tune(copy.deepcopy(plain), method)
            torch.manual_seed(index)
            with torch.no_grad():
                for parameter in tuned.parameters():
                    if parameter.requires_grad:
                        parameter.add_(torch.randn_like(parameter), alpha=0.1)
            paths.append(save_adapter(tuned, tmp_path / f"{index}.safetensors"))
        return paths

    return trained


def images(network):
    depth = [3] if isinstance(network, SliceClassifier) else []
    return torch.rand(2, network.vit.in_channels, *network.vit.img_size, *depth)


@torch.no_grad()
def test_mean_and_spread_of_the_members(plain, adapters):
    x, paths = images(plain), adapters(*METHODS)
    expected = torch.stack([load_adapter(copy.deepcopy(plain), path)(x) for path in paths])
    state = copy.deepcopy(plain.state_dict())
    before = plain(x)
    ensemble = Ensemble(plain, paths)
    assert torch.equal(ensemble.each(x), expected)
    assert torch.equal(ensemble(x), expected.mean(0))
    mean, spread = ensemble.mean_and_spread(x)
    assert torch.equal(mean, expected.mean(0))
    torch.testing.assert_close(spread, (expected - expected.mean(0)).square().mean(0).sqrt())
    assert spread.max() > 1e-3
    assert torch.equal(plain(x), before)
    assert all(torch.equal(value, state[key]) for key, value in plain.state_dict().items())
    assert all(parameter.requires_grad for parameter in plain.parameters())


@torch.no_grad()
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_mean_and_spread_of_the_probabilities(plain, adapters, activation):
    activate = {"softmax": lambda outputs: outputs.softmax(-plain(x).ndim + 1), "sigmoid": torch.sigmoid}[activation]
    x, paths = images(plain), adapters(*METHODS[:3])
    members = activate(Ensemble(plain, paths).each(x))
    ensemble = Ensemble(plain, paths, activation)
    mean, spread = ensemble.mean_and_spread(x)
    assert torch.equal(mean, ensemble(x))
    torch.testing.assert_close(activate(mean[None])[0], members.mean(0))
    torch.testing.assert_close(spread, members.std(0, correction=0))
    assert not torch.allclose(mean, Ensemble(plain, paths)(x), atol=1e-3)


@torch.no_grad()
def test_a_probability_of_none_is_finite(plain, adapters):
    """Logits that float32 rounds to 0 and 1 stay apart, and no logarithm of 0 is infinite."""
    outputs = torch.tensor([[[500.0, -500.0]], [[400.0, -400.0]]])
    for activation in ("softmax", "sigmoid"):
        assert Ensemble(plain, adapters(METHODS[0]), activation).mean(outputs).isfinite().all()


@torch.no_grad()
def test_without_sharing_each_runs_the_whole(plain, adapters):
    paths, x = adapters(DVPT(), METHODS[0]), images(plain)
    expected = torch.stack([load_adapter(copy.deepcopy(plain), path)(x) for path in paths])
    ensemble = Ensemble(plain, paths, sharing=False)
    assert not ensemble.shares and torch.equal(ensemble.each(x), expected)
    assert Ensemble(plain, paths[1:], sharing=False).shares


@torch.no_grad()
def test_what_is_shared_runs_once_and_exists_once(plain, adapters):
    ensemble = Ensemble(plain, adapters(*METHODS[:2], METHODS[1]))
    runs = []
    for member in ensemble.members:
        for block in member.vit.blocks:
            block.register_forward_hook(lambda module, inputs, output: runs.append(module))
    ensemble(images(plain))
    assert runs == list(ensemble.members[0].vit.blocks)
    first, *others = (dict(member.vit.blocks.named_parameters()) for member in ensemble.members)
    for other in others:
        assert all(other[name] is first[name] for name in first)
    ensemble.double()
    assert other["0.attn.qkv.weight"] is first["0.attn.qkv.weight"]


@torch.no_grad()
def test_it_shares_up_to_the_smallest_cut(plain, adapters):
    ensemble = Ensemble(plain, adapters(SideDVPT(layers=[0, 3]), DVPT(layers=[1, 3])))
    assert len(ensemble.read) == 1


@pytest.mark.export
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize("activation", ["none", "softmax"])
def test_deployed_forms_are_equal(plain, adapters, activation):
    ensemble, x = Ensemble(plain, adapters(METHODS[0], METHODS[2]), activation), images(plain)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(ensemble), buffer)
    buffer.seek(0)
    torch.testing.assert_close(torch.jit.load(buffer)(x), ensemble(x))
    torch.testing.assert_close(torch.export.export(ensemble, (x,)).module()(x), ensemble(x))


def test_refusals_leave_the_network_as_it_was(plain, adapters, tmp_path):
    early, late = adapters(DVPT(), METHODS[0])
    with pytest.raises(TuningError, match=r"0\.safetensors leaves nothing to share .*layers=range"):
        Ensemble(plain, [late, early])
    for nothing in ([], str(late)):
        with pytest.raises(TuningError, match="adapters is a list of files, at least one"):
            Ensemble(plain, nothing)
    with pytest.raises(TuningError, match="no activation 'relu'"):
        Ensemble(plain, [late], "relu")
    other = copy.deepcopy(plain)
    nn.init.normal_(other.vit.blocks[0].attn.qkv.weight)
    with pytest.raises(BackboneMismatchError):
        Ensemble(other, [late])
    assert not any(".tuner." in key for key in plain.state_dict())
    with pytest.raises(TuningError, match=r"the network is tuned; call untune\(network\) first"):
        Ensemble(tune(plain, LinearProbe()), [late])
