"""The encoder and the classifier: MONAI's numbers at MONAI's sizes, and what goes beyond."""

import copy

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import ViT as MonaiViT
from torch import nn
from torch.nn import functional

from dvpt_monai import DVPT, LinearProbe, ViTClassifier, ViTEncoder, load_adapter, parameter_groups, save_adapter, tune
from dvpt_monai.networks.classifier import Standardize

SMALL = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_layers": 3, "num_heads": 2}


def encoder(**more):
    torch.manual_seed(0)
    network = ViTEncoder(**{"in_channels": 1, "img_size": 24, **SMALL, **more}).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network


# --- MONAI ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("qkv_bias", [False, True])
@pytest.mark.parametrize("classification", [False, True])
@pytest.mark.parametrize(("dims", "size"), [(2, (24, 16)), (3, (16, 24, 16))])
def test_it_is_monais_vit(dims, size, classification, qkv_bias):
    torch.manual_seed(0)
    theirs = MonaiViT(
        1,
        size,
        8,
        12,
        24,
        3,
        2,
        classification=classification,
        spatial_dims=dims,
        qkv_bias=qkv_bias,
        num_classes=5,
        post_activation=None,
    ).eval()
    ours = encoder(
        img_size=size, spatial_dims=dims, cls_token=classification, qkv_bias=qkv_bias, eps=1e-5, taps=(0, 1, 2)
    )
    state = theirs.state_dict()
    head = {key: state.pop(key) for key in list(state) if key.startswith("classification_head")}
    ours.load_state_dict(state)  # strict: norm_cross_attn is the only name that is passed over
    extra = {key for key in state if "norm_cross_attn" in key}
    assert len(extra) == 3 * 2
    assert state.keys() - extra == ours.state_dict().keys()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert (set(missing), unexpected) == (extra | head.keys(), [])
    x = torch.rand(2, 1, *size)
    with torch.no_grad():
        y, hidden = theirs(x)
        tokens, maps = ours(x)
        if classification:
            tokens = functional.linear(tokens[:, 0], *head.values())
        torch.testing.assert_close(tokens, y, rtol=1e-5, atol=1e-5)
        for ours_map, state_of_block in zip(maps, hidden, strict=True):
            patches = state_of_block[:, int(classification) :]
            torch.testing.assert_close(ours_map.flatten(2).transpose(1, 2), patches, rtol=1e-5, atol=1e-5)


def test_it_has_no_parameter_that_nothing_uses():
    network = encoder(spatial_dims=3, depth_embedding=True, num_registers=2)
    tokens, _ = network.train()(torch.rand(1, 1, 24, 24, 24))
    tokens.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


# --- tokens, maps, taps -----------------------------------------------------------------------------------------------


def test_the_sequence_is_cls_registers_patches():
    network = encoder(img_size=(16, 24), num_registers=2)
    seen = []
    network.embed.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.rand(2, 1, 16, 24)
    tokens, _ = network(x)
    assert tokens.shape == (2, 1 + 2 + 6, 12)
    assert network.first == 3
    (embedded,) = seen
    assert torch.equal(embedded[:, :1], network.cls_token.expand(2, 1, 12))
    assert torch.equal(embedded[:, 1:3], network.register_tokens.expand(2, 2, 12))
    assert torch.equal(embedded[:, 3:], network.patch_embedding(x))
    assert torch.equal(network.patches(tokens), tokens[:, 3:])
    assert network.as_map(tokens).shape == (2, 12, 2, 3)
    assert torch.equal(network.as_map(tokens)[0, :, 1, 2], tokens[0, -1])


def test_a_map_keeps_the_axes_of_the_image():
    network = encoder(img_size=(16, 24, 32), spatial_dims=3, taps=(0,))
    x = torch.rand(1, 1, 16, 24, 32)
    seen = network.patch_embedding(x)
    changed = x.clone()
    changed[0, 0, 8:16, 16:24, 24:32] += 1
    difference = (network.patch_embedding(changed) - seen)[0].abs().sum(-1).view(2, 3, 4)
    assert difference.nonzero().tolist() == [[1, 2, 3]]
    assert network(x)[1][0].shape == (1, 12, 2, 3, 4)


def test_taps_are_the_outputs_of_their_blocks():
    network = encoder(taps=(0, 2))
    outputs = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    tokens, maps = network(torch.rand(2, 1, 24, 24))
    assert [torch.equal(a, network.as_map(b)) for a, b in zip(maps, outputs[::2], strict=True)] == [True, True]
    assert torch.equal(tokens, network.norm(outputs[-1]))


def test_a_truncated_encoder_is_the_beginning_of_the_whole_with_a_new_norm():
    whole = encoder(taps=(1,))
    short = encoder(tap=2)
    missing, unexpected = short.load_state_dict(whole.state_dict(), strict=False)
    assert missing == []
    assert all(key.startswith("blocks.2.") for key in unexpected)
    assert len(short.blocks) == 2
    assert short.fresh == ["norm.*"]
    x = torch.rand(2, 1, 24, 24)
    nn.init.ones_(short.norm.weight)
    nn.init.zeros_(short.norm.bias)
    middle = whole(x)[1][0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(short.patches(short(x)[0]), functional.layer_norm(middle, (12,), eps=1e-6))


def test_dropout_acts_in_training_alone():
    network = encoder(dropout_rate=0.5)
    x = torch.rand(1, 1, 24, 24)
    assert torch.equal(network(x)[0], network(x)[0])
    network.train()
    assert not torch.equal(network(x)[0], network(x)[0])


# --- CLIP -------------------------------------------------------------------------------------------------------------


def test_quick_gelu_is_its_formula_and_gelu_the_default():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 12)
    for arguments, formula in (
        ({}, functional.gelu),
        ({"activation": "gelu"}, functional.gelu),
        ({"activation": "quick_gelu"}, lambda y: y * torch.sigmoid(1.702 * y)),
    ):
        mlp = encoder(**arguments).blocks[1].mlp
        torch.testing.assert_close(mlp(x), mlp.linear2(formula(mlp.linear1(x))))


def test_a_pre_norm_acts_on_the_whole_sequence_before_what_tuners_append():
    network, plain = encoder(num_registers=2, pre_norm=True), encoder(num_registers=2)
    assert network.state_dict().keys() - plain.state_dict().keys() == {"norm_pre.weight", "norm_pre.bias"}
    assert list(encoder(pre_norm=False, activation="quick_gelu").state_dict()) == list(encoder().state_dict())
    seen = []
    network.embed.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(x := torch.rand(2, 1, 24, 24))[0].sum().backward()
    parts = [network.cls_token, network.register_tokens]
    sequence = torch.cat((*(part.expand(2, -1, -1) for part in parts), network.patch_embedding(x)), 1)
    weight, bias = network.norm_pre.weight, network.norm_pre.bias
    torch.testing.assert_close(seen[0], functional.layer_norm(sequence, (12,), weight, bias, 1e-6))
    assert min(float(p.grad.abs().max()) for p in network.norm_pre.parameters()) > 0


@pytest.mark.export
@pytest.mark.parametrize("arguments", [{}, {"activation": "quick_gelu", "pre_norm": True}])
def test_both_activations_can_be_scripted_and_exported(arguments):
    network, x = encoder(**arguments), torch.rand(1, 1, 24, 24)
    expected = network(x)[0]
    torch.testing.assert_close(torch.jit.script(network)(x)[0], expected)
    torch.testing.assert_close(torch.export.export(network, (x,)).module()(x)[0], expected)


# --- resize -----------------------------------------------------------------------------------------------------------


def test_resize_takes_other_images_and_keeps_the_rest():
    network = encoder(num_registers=1)
    kept = copy.deepcopy(network.state_dict())
    assert network.resize((32, 16)) is network
    assert network(torch.rand(1, 1, 32, 16))[0].shape == (1, 1 + 1 + 8, 12)
    assert network.as_map(network(torch.rand(1, 1, 32, 16))[0]).shape == (1, 12, 4, 2)
    changed = {k for k, v in network.state_dict().items() if v.shape != kept[k].shape or not torch.equal(v, kept[k])}
    assert changed == {"patch_embedding.position_embeddings"}
    with pytest.raises(ValueError, match="expected images of 1 channels and size"):
        network(torch.rand(1, 1, 24, 24))


def test_resize_to_the_same_size_changes_nothing():
    network = encoder(spatial_dims=3, depth_embedding=True)
    kept = copy.deepcopy(network.state_dict())
    network.resize(24)
    assert all(torch.equal(value, kept[key]) for key, value in network.state_dict().items())


def test_resize_in_3d_takes_the_depth_embedding_along():
    network = encoder(spatial_dims=3, depth_embedding=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    parameter = network.depth_embedding
    network.resize((24, 24, 48))
    assert network.depth_embedding is parameter, "an optimizer's reference stays good"
    assert network.depth_embedding.shape == (6, 12)
    network(torch.rand(1, 1, 24, 24, 48))[0].sum().backward()
    optimizer.step()


# --- 3D from 2D: where along z? ---------------------------------------------------------------------------------------


def slabs(volume, order):
    return torch.cat([volume[..., 8 * i : 8 * i + 8] for i in order], -1)


@pytest.mark.parametrize("depth_embedding", [False, True])
def test_a_depth_embedding_breaks_the_symmetry_of_slabs_after_one_step(depth_embedding):
    # Positions inflated from 2D are equal along z; without an embedding of z, permuted slabs give permuted tokens.
    flat = encoder(in_channels=3, img_size=16)
    torch.manual_seed(0)
    network = ViTClassifier.from_pretrained(
        flat.state_dict(),
        num_classes=2,
        pooling="mean",
        img_size=(16, 16, 32),
        spatial_dims=3,
        num_heads=2,
        depth_embedding=depth_embedding,
    ).double()
    tune(network, LinearProbe())
    order = [2, 0, 3, 1]
    volume = torch.rand(2, 3, 16, 16, 32, dtype=torch.float64)

    def broken():
        network.eval()
        with torch.no_grad():
            maps = [network.vit.as_map(network.vit(v)[0]) for v in (volume, slabs(volume, order))]
        return float((maps[0][..., order] - maps[1]).abs().max())

    assert broken() < 1e-12, "zero at first: both are equivariant"
    optimizer = torch.optim.AdamW(parameter_groups(network, lr=1e-2))
    functional.cross_entropy(network.train()(volume), torch.tensor([0, 1])).backward()
    optimizer.step()
    assert (broken() > 1e-4) if depth_embedding else (broken() < 1e-12)


# --- the classifier ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("pooling", ["cls", "mean", "cls+mean", "prompts"])
def test_pooling_reads_what_it_says(pooling, dims):
    torch.manual_seed(0)
    network = ViTClassifier(
        num_classes=5, pooling=pooling, in_channels=1, img_size=16, spatial_dims=dims, num_registers=2, **SMALL
    ).eval()
    tokens, _ = network.vit(x := torch.rand(2, 1, *[16] * dims))
    cls, mean = tokens[:, 0], tokens[:, 3:].mean(1)
    expected = {"cls": cls, "mean": mean, "cls+mean": torch.cat((cls, mean), 1), "prompts": cls}[pooling]
    torch.testing.assert_close(network.features(x), expected)
    assert network.head.in_features == expected.shape[1]
    logits = network(x)
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 5)
    torch.testing.assert_close(logits, expected @ network.head.weight.T + network.head.bias)


def test_mean_pooling_needs_no_cls_and_ignores_appended_prompts():
    torch.manual_seed(0)
    network = ViTClassifier(num_classes=2, pooling="mean", in_channels=1, img_size=16, cls_token=False, **SMALL).eval()
    assert network.vit.first == 0
    tune(network, DVPT(num_prompts=3, bottleneck=2, aggregate="tokens"))
    tokens, _ = network.vit(x := torch.rand(2, 1, 16, 16))
    assert tokens.shape[1] == 4 + 3
    torch.testing.assert_close(network.features(x), tokens[:, :4].mean(1))


def test_head_dropout_acts_in_training_alone():
    network = ViTClassifier(num_classes=3, head_dropout=0.5, in_channels=1, img_size=16, **SMALL)
    x = torch.rand(2, 1, 16, 16)
    tune(network, DVPT(num_prompts=2, bottleneck=2)).train()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spatial_dims": 4}, "spatial_dims must be 2 or 3, not 4"),
        ({"img_size": 20}, r"img_size \(20, 20\) is no multiple of patch_size \(8, 8\); 16 and 24 are"),
        ({"img_size": 4}, r"img_size \(4, 4\) is no multiple of patch_size \(8, 8\); 8 is"),
        ({"img_size": (16, 24, 16)}, r"img_size \(16, 24, 16\) must be one number or 2, one for each axis"),
        ({"num_heads": 5}, "hidden_size 12 is not a multiple of num_heads 5"),
        ({"tap": 4}, "tap must be between 1 and num_layers=3, not 4"),
        ({"tap": 0}, "tap must be between 1 and num_layers=3, not 0"),
        ({"taps": (3,)}, r"taps \(3,\) must be blocks between 0 and 2"),
        ({"tap": 2, "taps": (2,)}, r"taps \(2,\) must be blocks between 0 and 1"),
        ({"depth_embedding": True}, "depth_embedding is for spatial_dims=3"),
        ({"activation": "relu"}, r"activation must be one of \('gelu', .*'swiglu'\), not 'relu'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViTEncoder(**{"in_channels": 1, "img_size": 24, **SMALL, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "max"}, r"pooling must be one of \('cls', 'mean', 'cls\+mean', 'prompts'\), not 'max'"),
        ({"num_classes": 0}, "num_classes must be at least 1, not 0"),
        ({"cls_token": False}, "pooling 'cls' reads CLS; choose 'mean' or cls_token=True"),
    ],
)
def test_a_classifier_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViTClassifier(**{"num_classes": 2, "in_channels": 1, "img_size": 16, **SMALL, **arguments})


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 3, 24, 24), (1, 1, 24, 24, 24), (1, 24, 24)])
def test_an_image_of_another_size_is_refused_with_both_sizes(shape):
    with pytest.raises(
        ValueError, match=r"expected images of 1 channels and size \[24, 24\], got \d+ channels and size"
    ):
        encoder()(torch.rand(shape))


def test_resize_refuses_what_the_patches_do_not_divide():
    with pytest.raises(ValueError, match=r"img_size \(20, 20\) is no multiple of patch_size \(8, 8\)"):
        encoder().resize(20)


@pytest.mark.parametrize("sizes", [[32], [8, 8, 8, 8], [1, 30, 1], [1] * 32])
def test_standardized_features_have_mean_0_and_variance_1_over_all_cases(sizes):
    """Whatever the batches, against float64 by hand; features that are much alike, as those of a frozen backbone."""
    torch.manual_seed(0)
    layer, x = Standardize(6), 5 + 0.1 * torch.randn(32, 6)
    seen = []
    for batch in x.split(sizes):
        seen.append(batch)
        so_far = torch.cat(seen).double()
        expected = (batch - so_far.mean(0)) / (so_far.var(0, unbiased=False) + 1e-5).sqrt()
        torch.testing.assert_close(layer(batch).double(), expected, rtol=1e-2, atol=1e-2)
    kept = copy.deepcopy(layer.state_dict())
    expected = (x.double() - x.double().mean(0)) / (x.double().var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(layer.eval()(x).double(), expected, rtol=1e-2, atol=1e-2)
    assert all(torch.equal(value, kept[key]) for key, value in layer.state_dict().items())
    assert layer.cases == 32


def test_an_untrained_standardization_changes_nothing_and_gradients_pass():
    layer, x = Standardize(3).eval(), torch.randn(4, 3, requires_grad=True)
    torch.testing.assert_close(layer(x), x, rtol=1e-4, atol=1e-4)
    layer.train()
    first, second = layer(x), layer(2 * x)  # two passes before one backward
    (first.sum() + second.sum()).backward()
    assert x.grad.isfinite().all() and (x.grad > 0).all()


def test_images_with_metadata_leave_none_in_the_checkpoint(tmp_path):
    layer = Standardize(3)
    layer(MetaTensor(torch.randn(4, 3)))
    assert {type(value) for value in layer.state_dict().values()} == {torch.Tensor}
    torch.save(layer.state_dict(), tmp_path / "a.pt")
    assert torch.load(tmp_path / "a.pt", weights_only=True)["cases"] == 4


def test_a_standardizing_head_travels_with_the_adapter(tmp_path):
    """It moves in training though the backbone sleeps, and its values are saved, scripted and exported."""
    sizes = {"num_classes": 2, "in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 8, "mlp_dim": 8,
             "num_layers": 1, "num_heads": 1}  # fmt: skip
    torch.manual_seed(0)
    plain = ViTClassifier(standardize=True, **sizes)
    fresh = copy.deepcopy(plain)
    net = tune(plain, LinearProbe()).train()
    net(torch.rand(4, 1, 16, 16))
    assert net.head.standardize.mean.any() and not net.vit.training
    save_adapter(net, tmp_path / "a.safetensors")
    loaded, x = load_adapter(fresh, tmp_path / "a.safetensors").eval(), torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        expected = net.eval()(x)
        assert torch.equal(loaded(x), expected)
        torch.testing.assert_close(torch.jit.script(net)(x), expected)
        program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        torch.testing.assert_close(program.module()(x[:1]), expected[:1])
    assert "head.standardize.mean" not in ViTClassifier(**sizes).state_dict()


def test_standardized_features_leave_plain_buffers():
    """MONAI's batches carry metadata, which no checkpoint may hold: `torch.load(weights_only=True)` refuses it."""
    head = Standardize(3)
    head.train()(MetaTensor(torch.rand(4, 3)))
    assert {type(buffer) for buffer in head.buffers()} == {torch.Tensor}
    assert head.cases == 4 and not torch.equal(head.mean, torch.zeros(3))
