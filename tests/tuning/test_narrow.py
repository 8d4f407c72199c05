"""A frozen backbone in half precision computes what one of rounded weights in float32 does, in half the memory."""

import copy
import io

import pytest
import torch
from torch import nn

from dvpt_monai import (
    DVPT,
    METHODS,
    UNETR,
    AdapterError,
    BackboneMismatchError,
    BitFit,
    DoRA,
    FullFineTuning,
    LoRA,
    PartialFineTuning,
    SideDVPT,
    TuningError,
    ViTClassifier,
    cast_frozen,
    is_tuned,
    load_adapter,
    merge,
    save_adapter,
    swap_adapter,
    tune,
    untune,
)
from dvpt_monai.tuning import from_activations, frozen_activations, map_frozen
from dvpt_monai.tuning.narrow import NarrowLinear

SIZES = {"img_size": 32, "patch_size": 8, "hidden_size": 48, "mlp_dim": 96, "num_layers": 4, "num_heads": 4}
HALVES = ("float16", "bfloat16")
NAMES = [name for name in METHODS if name != "Stack"]


def tuned(method, seed=0):
    torch.manual_seed(seed)
    network = tune(ViTClassifier(num_classes=3, in_channels=1, **SIZES), method).eval()
    torch.manual_seed(seed + 1)
    for parameter in network.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)
    return network


def rounded(network, dtype):
    """A copy in float32 whose matrices hold what is left of them in half precision."""
    other = copy.deepcopy(network)
    narrow = {name for name, each in cast_frozen(copy.deepcopy(network), dtype).named_modules()
              if isinstance(each, NarrowLinear)}  # fmt: skip
    for name, each in other.named_modules():
        if name in narrow:
            each.weight.data = each.weight.data.to(getattr(torch, dtype)).float()
    return other


@pytest.fixture
def images():
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_those_of_rounded_weights(name, dtype, images):
    network = tuned(METHODS[name]())
    before = {key: value.clone() for key, value in network.state_dict().items()}
    oracle, narrow = rounded(network, dtype), cast_frozen(network, dtype)
    assert narrow is network and before.keys() == narrow.state_dict().keys()
    assert torch.allclose(narrow(images), oracle(images), atol=1e-6)
    for each in (narrow, oracle):
        each(images).square().sum().backward()
    for (key, one), other in zip(narrow.named_parameters(), oracle.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), key
        assert one.grad is None or torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-5), key
        assert not one.requires_grad or one.dtype == torch.float32, key
    halves = [key for key, each in narrow.named_parameters() if each.dtype == getattr(torch, dtype)]
    assert len(halves) == {"FullFineTuning": 0, "DoRA": 12, "PartialFineTuning": 12}.get(name, 16)


def test_bfloat16_under_autocast_is_the_same_to_the_bit(images):
    network = tuned(DVPT())
    narrow = cast_frozen(copy.deepcopy(network), torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(images), narrow(images))
    assert not torch.equal(network(images), narrow(images))  # the control: without autocast the weights are rounded


@pytest.mark.parametrize("method", [LoRA(), SideDVPT()], ids=str)
def test_no_wide_copy_is_kept_for_the_gradient(method, images):
    def kept(network):
        seen = []
        with torch.autograd.graph.saved_tensors_hooks(lambda value: seen.append(value) or value, lambda value: value):
            network(images)
        widths = {(48, 144), (48, 48), (48, 96), (96, 48), (144, 48)}
        return [value for value in seen if value.dtype == torch.float32 and value.shape in widths]

    plain, narrow = tuned(method), cast_frozen(tuned(method), "float16")
    frozen = {each.data_ptr() for each in plain.parameters() if not each.requires_grad}
    assert any(value.data_ptr() in frozen for value in kept(plain)) == (method == LoRA())
    trained = sum(value.data_ptr() in {each.data_ptr() for each in plain.parameters() if each.requires_grad}
                  for value in kept(plain))  # fmt: skip
    assert len(kept(narrow)) <= trained


def test_half_the_memory():
    network = tuned(SideDVPT())
    blocks = network.vit.blocks
    before = sum(each.nbytes for each in blocks.parameters() if each.ndim == 2)
    cast_frozen(network, "float16")
    assert sum(each.nbytes for each in blocks.parameters() if each.ndim == 2) * 2 == before


def test_an_adapter_goes_to_a_network_of_either_kind(tmp_path, images):
    narrow = cast_frozen(tuned(DVPT()), "float16")
    save_adapter(narrow, tmp_path / "narrow.safetensors")
    torch.manual_seed(0)
    whole = load_adapter(ViTClassifier(num_classes=3, in_channels=1, **SIZES), tmp_path / "narrow.safetensors").eval()
    assert torch.allclose(whole(images), narrow(images), atol=2e-2)
    save_adapter(whole, tmp_path / "whole.safetensors")
    assert torch.allclose(swap_adapter(narrow, tmp_path / "whole.safetensors")(images), whole(images), atol=2e-2)


def test_state_dicts_pass_between_both_kinds(images):
    whole, narrow = tuned(DVPT()), cast_frozen(tuned(DVPT(), seed=5), "float16")
    narrow.load_state_dict(whole.state_dict())
    assert torch.allclose(narrow(images), rounded(whole, "float16")(images), atol=1e-6)
    whole.load_state_dict(narrow.state_dict())
    assert {value.dtype for value in whole.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize("method", [LoRA(), DoRA()], ids=str)
def test_merging_gives_whole_weights(method, images):
    narrow = cast_frozen(tuned(method), "float16")
    merged = merge(narrow)
    assert {each.dtype for each in merged.parameters()} == {torch.float32}
    assert {type(each) for each in merged.modules() if isinstance(each, nn.Linear)} == {nn.Linear, type(merged.head)}
    assert torch.allclose(merged(images), narrow(images), atol=1e-5)
    assert any(isinstance(each, NarrowLinear) for each in narrow.modules())


def test_there_is_no_way_back_from_what_was_rounded(images, tmp_path):
    """Its values are those of another backbone, which no adapter would fit that was trained on the true one."""
    network = cast_frozen(tuned(LoRA()), "float16")
    before = network(images)
    for back in (untune, lambda net: cast_frozen(net, "float32")):
        with pytest.raises(TuningError, match=r"vit\.\S+\.weight was rounded to float16 by cast_frozen.* anew"):
            back(network)
    save_adapter(tuned(PartialFineTuning()), tmp_path / "partial.safetensors")
    with pytest.raises(AdapterError, match=r"PartialFineTuning\(.*\) trains what is not whole: vit\.blocks\.3"):
        swap_adapter(network, tmp_path / "partial.safetensors")
    assert torch.equal(network(images), before) and is_tuned(network)
    whole = tuned(LoRA())
    assert cast_frozen(whole, "float32") is whole and untune(whole) is whole  # the control


def test_a_swap_that_fails_leaves_it_narrow(images, tmp_path):
    save_adapter(tune(ViTClassifier(num_classes=4, in_channels=1, **SIZES), LoRA()), tmp_path / "other.safetensors")
    network = cast_frozen(tuned(LoRA()), "bfloat16")
    before = network(images)
    with pytest.raises((AdapterError, BackboneMismatchError)):
        swap_adapter(network, tmp_path / "other.safetensors")
    assert torch.equal(network(images), before)


@pytest.mark.parametrize("held", HALVES)
def test_autocast_keeps_no_copy_either(held, images):
    network, seen = cast_frozen(tuned(LoRA()), held), []
    frozen = {each.data_ptr() for each in network.parameters() if not each.requires_grad}
    keep = torch.autograd.graph.saved_tensors_hooks(lambda value: seen.append(value) or value, lambda value: value)
    with keep, torch.autocast("cpu", torch.bfloat16):
        network(images)
    matrices = {(48, 144), (144, 48), (48, 48), (48, 96), (96, 48)}
    copies = [value for value in seen if value.shape in matrices and value.data_ptr() not in frozen]
    assert not copies
    assert sum(value.data_ptr() in frozen for value in seen) > 8  # the control: the weights themselves are kept


def test_traced_and_differentiated_by_functions(images):
    """What works on whole weights: traces, torch.func, forward mode."""
    network = cast_frozen(tuned(LoRA()), "float16")
    assert torch.allclose(torch.jit.trace(network, images)(images), network(images), atol=1e-6)
    values = dict(network.named_parameters())

    def loss(trained):
        return torch.func.functional_call(network, {**values, **trained}, (images,)).square().sum()

    chosen = {key: value for key, value in values.items() if value.requires_grad}
    by_function = torch.func.grad(loss)({key: value.detach() for key, value in chosen.items()})
    loss({}).backward()
    assert all(torch.allclose(by_function[key], value.grad, rtol=1e-4, atol=1e-5) for key, value in chosen.items())
    linear = next(each for each in network.modules() if isinstance(each, NarrowLinear))
    x = torch.rand(3, linear.in_features)
    _, forward = torch.func.jvp(linear, (x,), (torch.ones_like(x),))
    assert torch.allclose(forward, torch.ones_like(x) @ linear.weight.float().T, rtol=1e-4, atol=1e-5)
    rows = torch.func.vmap(torch.func.grad(lambda row: linear(row).sum()))(x)
    assert torch.allclose(rows, linear.weight.float().sum(0).expand_as(x), rtol=1e-4, atol=1e-5)


def test_layers_whose_weights_pytorch_reads_stay_whole():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    network = tune(nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Linear(16, 3)), BitFit(), train=[]).eval()
    network = cast_frozen(network, "float16")
    assert isinstance(network[1], NarrowLinear) and isinstance(network[0].layers[0].linear1, nn.Linear)
    with torch.no_grad():
        assert network(torch.rand(2, 4, 16)).isfinite().all()


def test_it_is_cast_again_and_copied(images):
    network = cast_frozen(cast_frozen(tuned(DVPT()), "float16"), torch.bfloat16)
    assert network.vit.blocks[0].attn.out_proj.weight.dtype == torch.bfloat16
    assert torch.equal(copy.deepcopy(network)(images), network(images))


def test_scripts_exports_and_compiles_for_inference(images):
    network = cast_frozen(tuned(SideDVPT()), "float16")
    with torch.no_grad():
        expected = network(images)
        file = io.BytesIO()
        torch.jit.save(torch.jit.script(network), file)
        file.seek(0)
        assert torch.allclose(torch.jit.load(file)(images), expected, atol=1e-6)
    assert torch.allclose(torch.export.export(network, (images,)).module()(images), expected, atol=1e-6)


def test_in_three_dimensions():
    torch.manual_seed(0)
    network = tune(UNETR(in_channels=1, out_channels=2, img_size=32, feature_size=2, hidden_size=48, mlp_dim=96,
                         num_heads=4, num_layers=12), SideDVPT()).eval()  # fmt: skip
    oracle, narrow = rounded(network, "float16"), cast_frozen(network, "float16")
    volume = torch.rand(1, 1, 32, 32, 32)
    with torch.no_grad():
        assert torch.allclose(narrow(volume), oracle(volume), atol=1e-5)


def test_what_cannot_be_is_refused_and_changes_nothing(images):
    network = tuned(DVPT())
    with pytest.raises(TuningError, match=r"dtype 'int8' is unknown; choose 'float32', 'float16', 'bfloat16'"):
        cast_frozen(network, "int8")
    weight = network.vit.blocks[2].attn.out_proj.weight
    with torch.no_grad():
        weight[0, 0] = 1e6
    with pytest.raises(TuningError, match=r"vit\.blocks\.2\.attn\.out_proj\.weight reaches 1e\+06, .* take bfloat16"):
        cast_frozen(network, "float16")
    assert not any(isinstance(each, NarrowLinear) for each in network.modules())
    assert cast_frozen(network, "bfloat16") is network
    with pytest.raises(TuningError, match="cast_frozen"):
        cast_frozen(ViTClassifier(num_classes=3, in_channels=1, **SIZES), "float16")
    assert not any(each.dtype != torch.float32 for each in cast_frozen(tuned(FullFineTuning()), "float16").parameters())


def test_from_activations_and_a_file(tmp_path, images):
    network = cast_frozen(tuned(DVPT(layers=[2, 3])), "float16")
    expected = network(images)
    kept = frozen_activations(network, images)
    assert map_frozen(network, tmp_path) > 0
    assert torch.allclose(from_activations(network, kept), expected, atol=1e-6)
    assert torch.equal(network(images), expected)


def test_a_weight_that_someone_lets_train_after_all_has_a_gradient(images):
    network = cast_frozen(tuned(LoRA()), "float16")
    weight = network.vit.blocks[2].mlp.linear1.weight.requires_grad_(True)
    network(images).sum().backward()
    assert weight.grad is not None and weight.grad.abs().sum() > 0
