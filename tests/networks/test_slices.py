"""Slices through a 2D network: the attention's formula, padding, chunks, and what a pre-trained file brings."""

import copy
import math

import pytest
import torch

from dvpt_monai import (
    DVPT,
    AdapterError,
    FPTPlus,
    LinearProbe,
    SideDVPT,
    SliceClassifier,
    ViTClassifier,
    ViTEncoder,
    load_adapter,
    load_pretrained,
    read_header,
    save_adapter,
    tune,
)
from dvpt_monai.networks.slices import SliceAttention
from dvpt_monai.tuning import from_activations, frozen_activations

SMALL = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_layers": 2,
         "num_heads": 2}  # fmt: skip
NAN = float("nan")


def network(**more):
    """A classifier none of whose tensors is trivial."""
    torch.manual_seed(0)
    net = SliceClassifier(**{"num_classes": 3, **SMALL, **more}).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return net


@pytest.fixture
def volume():
    return torch.rand(2, 1, 16, 16, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def padded(x, before, after, axis=2):
    sides = [0, 0, 0, 0, 0, 0]
    sides[2 * (2 - axis)], sides[2 * (2 - axis) + 1] = before, after
    return torch.nn.functional.pad(x, sides, value=NAN)


def test_the_attention_is_its_formula():
    torch.manual_seed(0)
    attention = SliceAttention(6, 2, axes=2).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter).requires_grad_(False)
    f = torch.randn(1, 5, 6, dtype=torch.float64)
    places = torch.tensor([[-0.8, -0.4, 0.0, 0.4, 0.8]])
    y = attention(f, attention.scores(f, places.double(), 1))
    for head in range(2):
        part = f[0, :, 3 * head : 3 * head + 3]
        scores = [float(part[s] @ attention.query[head]) / 3 for s in range(5)]
        for s, c in enumerate(places[0].tolist()):
            waves = [*(math.cos(math.pi * k * c) for k in range(5)), *(math.sin(math.pi * k * c) for k in range(1, 5))]
            scores[s] += sum(w * float(a) for w, a in zip(waves, attention.places[1, :, head], strict=True)) / 9
        weights = torch.tensor([math.exp(score) for score in scores], dtype=torch.float64)
        expected = (weights / weights.sum()) @ part
        torch.testing.assert_close(y[0, 3 * head : 3 * head + 3], expected, rtol=1e-6, atol=1e-6)


def test_it_begins_as_the_mean_of_the_slices(volume):
    torch.manual_seed(0)
    net = SliceClassifier(num_classes=3, **SMALL).double().eval()
    flat = ViTClassifier(num_classes=3, **SMALL).double().eval()
    flat.load_state_dict({key: value for key, value in net.state_dict().items() if not key.startswith("attention")})
    each = torch.stack([flat.features(volume[..., s]) for s in range(5)]).mean(0)
    torch.testing.assert_close(net(volume), flat.head(each))


@pytest.mark.parametrize(("axes", "axis"), [((2,), 2), ((0,), 0), ((0, 1, 2), None)])
@pytest.mark.parametrize(("before", "after"), [(0, 3), (2, 1)])
def test_padding_changes_nothing(axes, axis, before, after):
    net = network(axes=axes)
    sides = [16, 16, 16]
    if axis is not None:
        sides[axis] = 4
    x = torch.rand(1, 1, *sides, dtype=torch.float64)
    if axis is None:  # a cube is padded by hand: what its slices across other axes see there is 0
        hole = x.clone()
        hole[..., 12:] = NAN
        filled = hole.nan_to_num(0.0)
        assert not torch.equal(net(hole), net(filled)), "a slice of 0 is a slice"
        assert net(hole).isfinite().all()
        return
    torch.testing.assert_close(net(padded(x, before, after, axis)), net(x), rtol=1e-9, atol=1e-9)
    other = torch.cat((padded(x, 0, 2, axis), padded(x.flip(axis + 2), 2, 0, axis)))  # each case by itself
    torch.testing.assert_close(net(other), torch.cat((net(x), net(x.flip(axis + 2)))), rtol=1e-9, atol=1e-9)


def test_padding_gets_no_gradient_and_no_nan_goes_unseen(volume):
    net = tune(network(chunk=3), DVPT(num_prompts=2, bottleneck=2)).train()
    net(padded(volume, 1, 1)).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
    volume[0, 0, 3, 3, 2] = NAN  # no slice of padding
    y = net.eval()(volume)
    assert y[0].isnan().all() and y[1].isfinite().all()
    volume[:] = NAN
    assert net(volume).isnan().all(), "nothing but padding"


def test_the_order_of_slices_counts_and_how_finely_they_are_cut_does_not(volume):
    net = network()
    assert (net(volume) - net(volume.flip(-1))).abs().max() > 1e-4
    constant = volume[..., :1].expand(-1, -1, -1, -1, 5)
    torch.testing.assert_close(net(constant), net(constant[..., :2]))


@pytest.mark.parametrize(("step", "read"), [(2, slice(0, None, 2)), (3, slice(1, None, 3)), (50, slice(4, 5))])
def test_a_step_leaves_slices_out(volume, step, read):
    torch.testing.assert_close(network(step=step)(volume), network()(volume[..., read]))


@pytest.mark.parametrize("training", [False, True])
def test_chunks_change_nothing_but_memory(volume, training):
    whole, cut = (tune(network(chunk=chunk), DVPT(num_prompts=2, bottleneck=2)).train(training) for chunk in (64, 3))
    cut.load_state_dict(whole.state_dict())
    seen = []
    cut.vit.register_forward_hook(lambda *call: seen.append(len(call[1][0])))
    torch.testing.assert_close(cut(volume), whole(volume))
    assert seen == [3, 3, 3, 1]
    for net in (whole, cut):
        net(volume).square().sum().backward()
    grads = [{k: p.grad for k, p in net.named_parameters() if p.requires_grad} for net in (whole, cut)]
    torch.testing.assert_close(grads[0], grads[1])


def test_chunks_keep_no_activations_of_the_encoder(volume):
    def kept(chunk):
        net = tune(network(chunk=chunk), DVPT(num_prompts=2, bottleneck=2)).train()
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
            net(volume)
        return sum(sizes)

    assert kept(2) < kept(64) / 3


def test_a_pretrained_file_fills_it_in_one_line():
    torch.manual_seed(0)
    flat = ViTEncoder(**{**SMALL, "in_channels": 3})
    net = SliceClassifier.from_pretrained(
        flat.state_dict(), num_classes=2, axes=(0, 1, 2), in_channels=1, num_heads=2, img_size=(24, 24, 24),
        pooling="cls+mean", normalization=((0.5,) * 3, (0.5,) * 3),
    )  # fmt: skip
    assert net.vit.img_size == [24, 24] and net.slice_axes == [0, 1, 2] and net.receipt.inflated == ()
    assert net(torch.rand(1, 1, 24, 24, 24)).shape == (1, 2)
    again = copy.deepcopy(net)
    load_pretrained(again, flat.state_dict(), normalization=((0.0,) * 3, (1.0,) * 3))
    assert not torch.equal(*(n.vit.patch_embedding.patch_embeddings.weight for n in (again, net)))
    assert torch.equal(again.vit.blocks[0].attn.qkv.weight, flat.blocks[0].attn.qkv.weight)


def test_a_linear_probe_trains_head_and_attention():
    net = tune(network(), LinearProbe())
    trained = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert trained == {"attention.query", "attention.places", "head.weight", "head.bias"}


def test_an_adapter_knows_its_axes(tmp_path):
    path = save_adapter(tune(network(axes=(1,)), LinearProbe()), tmp_path / "adapter.safetensors")
    assert read_header(path)["network"]["slice_axes"] == [1]
    load_adapter(network(axes=(1,)), path)
    with pytest.raises(AdapterError, match=r"slice_axes=\[1\], this SliceClassifier has slice_axes=\[2\]"):
        load_adapter(network(axes=(2,)), path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"axes": ()}, "axes must be"),
        ({"axes": (1, 1)}, "axes must be"),
        ({"axes": (3,)}, "axes must be"),
        ({"chunk": 0}, "chunk must be"),
        ({"step": 0}, "step and chunk must be"),
        ({"spatial_dims": 3}, "reads slices"),
        ({"axes": (0, 2), "img_size": (16, 16, 24)}, r"sizes \[\(16, 16\), \(16, 24\)\].*give a cube"),
        ({"img_size": (16, 16, 16, 16)}, "img_size"),
    ],
)
def test_what_does_not_fit_is_refused(more, message):
    with pytest.raises(ValueError, match=message):
        network(**more)


def test_slices_of_another_size_are_refused_and_resize_follows(volume):
    net = network()
    with pytest.raises(ValueError, match="expected images of 1 channels and size"):
        net(volume[:, :, :8])
    net.vit.resize((8, 16))
    assert net(volume[:, :, :8]).isfinite().all()


WAYS = {"one axis": {"axes": (2,)}, "chunks": {"axes": (2,), "chunk": 3}, "three axes": {"axes": (0, 1, 2), "step": 3}}
METHODS = [
    LinearProbe(),
    DVPT(layers=[1], num_prompts=2, bottleneck=2),
    SideDVPT(num_prompts=2, bottleneck=3, width=4),
    FPTPlus(num_prompts=2, reduction=2, share=0.5, shrink=1, dropout=0.0),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_kept_of_slices_is_enough(volume, way, method, training):
    net = tune(network(**WAYS[way]), method).train(training)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=parameter.requires_grad * 0.1)
    x = volume
    if way == "three axes":
        x = torch.rand(2, 1, 16, 16, 16, dtype=torch.float64)
    x = x.clone()
    x[1, ..., -2:] = NAN  # one volume has fewer slices than the other
    kept = frozen_activations(net, x)
    assert all(value.isfinite().all() for value in kept.values()) and {len(v) for v in kept.values()} == {2}
    outputs, gradients = [], []
    for run in (lambda: net(x), lambda: from_activations(net, {name: v.double() for name, v in kept.items()})):
        net.zero_grad()
        outputs.append(run())
        outputs[-1].square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None})
    assert outputs[0].isfinite().all() and outputs[0].abs().max() > 1e-3
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-9)


def test_of_slices_is_kept_what_the_rest_reads(volume):
    assert {name: tuple(v.shape) for name, v in frozen_activations(tune(network(), LinearProbe()), volume).items()} == {
        "block_1": (2, 5, 5, 12), "present": (2, 5),
    }  # fmt: skip
    assert frozen_activations(tune(network(), METHODS[-1]), volume)["images"].shape == (2, 5, 1, 16, 16)


def test_what_is_kept_tells_padding_from_slices(volume):
    net = tune(network(), LinearProbe())
    kept = frozen_activations(net, padded(volume, 1, 2))
    torch.testing.assert_close(from_activations(net, kept), net(volume))
    kept["present"] = torch.ones_like(kept["present"])
    assert (from_activations(net, kept) - net(volume)).abs().max() > 1e-4


def test_a_chunk_at_a_time_is_computed_and_kept(volume):
    net, seen = tune(network(chunk=3), SideDVPT(num_prompts=2, bottleneck=3, width=4)).train(), []
    net.vit.blocks[0].register_forward_hook(lambda *call: seen.append(len(call[1][0])))
    kept = frozen_activations(net, volume)
    assert seen == [3, 3, 3, 1]
    from_activations(net, kept).sum().backward()
    assert seen == [3, 3, 3, 1], "blocks whose outputs are kept do not run again"
