"""UNETR: MONAI's at MONAI's sizes, and the patches, depths and backbones that MONAI's cannot take."""

import pytest
import torch
from monai.networks.nets import UNETR as MonaiUNETR

from dvpt_monai import DVPT, UNETR, LinearProbe, load_pretrained, tune
from dvpt_monai.tuning import from_activations, frozen_activations

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2}


def unetr(**more):
    torch.manual_seed(0)
    arguments = {"in_channels": 1, "out_channels": 2, "img_size": 32, "feature_size": 2, "num_layers": 4, **SMALL}
    return UNETR(**{**arguments, **more}).eval()


@pytest.fixture(scope="module", params=["2d", "3d", "3d-batchnorm"])
def pair(request):
    """MONAI's UNETR and ours at its sizes: 12 blocks, patches of 16, no CLS, no bias of queries, keys and values."""
    torch.manual_seed(1)
    dims = int(request.param[0])
    norm = "batch" if "batch" in request.param else "instance"
    size = (32, 48) if dims == 2 else (32, 32, 48)
    theirs = MonaiUNETR(2, 3, size, feature_size=2, spatial_dims=dims, norm_name=norm, **SMALL).eval()
    ours = unetr(
        in_channels=2,
        out_channels=3,
        img_size=size,
        spatial_dims=dims,
        norm_name=norm,
        num_layers=12,
        cls_token=False,
        qkv_bias=False,
        eps=1e-5,
    )
    return theirs, ours, torch.rand(1, 2, *size)


def test_it_is_monais_unetr_and_checkpoints_go_both_ways(pair):
    theirs, ours, x = pair
    unused = {key for key in theirs.state_dict() if "norm_cross_attn" in key}
    assert len(unused) == 12 * 2
    assert theirs.state_dict().keys() - unused == ours.state_dict().keys()
    state = {key: value.clone() for key, value in ours.state_dict().items()}
    ours.load_state_dict(theirs.state_dict())  # strict
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    theirs.load_state_dict({**{key: theirs.state_dict()[key] for key in unused}, **state})  # strict
    ours.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(theirs(x), ours(x), rtol=1e-5, atol=1e-5)


def test_a_whole_checkpoint_of_monais_loads_as_pretrained(pair):
    theirs, ours, x = pair
    receipt = load_pretrained(ours, theirs.state_dict())
    assert set(receipt.loaded) == ours.state_dict().keys()
    assert {key for key in receipt.ignored if "norm_cross_attn" not in key} == set()
    assert (receipt.layout, receipt.resized, receipt.folded, receipt.missing) == ("monai", (), (), ())
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_a_checkpoint_of_other_classes_loads_all_but_the_output(pair):
    theirs, ours, x = pair
    other = unetr(
        in_channels=2,
        out_channels=5,
        img_size=x.shape[2:],
        spatial_dims=x.ndim - 2,
        norm_name="batch" if any("running" in key for key in ours.state_dict()) else "instance",
        num_layers=12,
        cls_token=False,
        qkv_bias=False,
        eps=1e-5,
    )
    receipt = load_pretrained(other, theirs.state_dict())
    assert other.state_dict().keys() - set(receipt.loaded) == {"out.conv.conv.weight", "out.conv.conv.bias"}
    assert {"out.conv.conv.weight", "out.conv.conv.bias"} <= set(receipt.ignored)


@pytest.mark.parametrize(
    ("layers", "tap", "patch", "taps"),
    [
        (12, None, 16, [3, 6, 9]),
        (12, 9, 16, [2, 4, 6]),
        (24, None, 16, [6, 12, 18]),
        (4, None, 16, [1, 2, 3]),
        (12, None, 8, [4, 8]),
        (12, 9, 8, [3, 6]),
        (3, None, 8, [1, 2]),
    ],
)
def test_the_maps_come_from_these_blocks(layers, tap, patch, taps):
    network = unetr(num_layers=layers, tap=tap, patch_size=patch, spatial_dims=2)
    assert [index for index, tapped in enumerate(network.vit.tapped) if tapped] == taps
    assert len(network.vit.blocks) == (tap or layers)


@pytest.mark.parametrize("registers", [0, 2])
@pytest.mark.parametrize("cls_token", [False, True])
@pytest.mark.parametrize(("dims", "patch", "size"), [(2, 8, (16, 24)), (2, 16, (32, 48)), (3, 8, (24, 16, 16))])
def test_any_grid_and_sequence_gives_an_output_of_the_images_size(dims, patch, size, cls_token, registers):
    network = unetr(
        spatial_dims=dims, patch_size=patch, img_size=size, cls_token=cls_token, num_registers=registers, in_channels=3
    )
    x = torch.rand(2, 3, *size)
    y = network.train()(x)
    assert y.shape == (2, 2, *size)
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_the_decoder_sees_every_map():
    # Each skip carries something: zeroing any map changes the output.
    network = unetr(spatial_dims=2, num_layers=4)
    x = torch.rand(1, 1, 32, 32)
    y = network(x)
    for name in ("encoder1", "encoder2", "encoder3", "encoder4", "decoder5"):
        hook = getattr(network, name).register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
        assert not torch.allclose(network(x), y), name
        hook.remove()
    assert torch.equal(network(x), y)


def test_fresh_is_the_decoder_and_what_no_file_fills():
    assert unetr(patch_size=8).fresh == ["encoder*", "decoder*", "out.*"]
    network = unetr(tap=3, num_layers=4, patch_size=8, depth_embedding=True)
    assert network.fresh == ["encoder*", "decoder*", "out.*", "vit.norm.*", "vit.depth_embedding"]
    frozen = {k for k, p in tune(network, LinearProbe()).named_parameters() if not p.requires_grad}
    assert frozen == {
        key
        for key in network.state_dict()
        if key.startswith("vit.") and not key.startswith(("vit.norm.", "vit.depth_embedding"))
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 14}, "patch_size must be 8 or 16, not 14; load_pretrained resizes the kernel"),
        ({"num_layers": 3}, "3 blocks are too few for 4 maps; give at least 4"),
        ({"num_layers": 12, "tap": 2, "patch_size": 8}, "2 blocks are too few for 3 maps"),
        ({"img_size": (16, 32, 32)}, r"leaves a grid of \(1, 2, 2\); give at least 32 along every axis"),
        ({"img_size": 40}, "is no multiple of patch_size .*; 32 and 48 are"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_remedy(arguments, message):
    with pytest.raises(ValueError, match=message):
        unetr(**arguments)


@pytest.mark.parametrize("depth", [1, 5])
def test_slices_go_through_the_encoder_one_by_one(depth):
    net = unetr(slices=True, img_size=(32, 48, 8), num_registers=1)
    x = torch.rand(2, 1, 32, 48, depth)
    seen = []
    net.decoder5.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        assert net(x).shape == (2, 2, 32, 48, depth)
        deepest, finer = seen[0]
        assert deepest.shape == (2, 12, 2, 3, depth) and finer.shape[2:] == (4, 6, depth)
        for z in range(depth):
            tokens, _ = net.vit(x[..., z])
            torch.testing.assert_close(deepest[..., z], net.vit.as_map(tokens))


def test_the_decoder_joins_slices():
    net = unetr(slices=True)
    x = torch.rand(1, 1, 32, 32, 5)
    other = x.clone()
    other[..., 4] = 0
    with torch.no_grad():
        assert (net(x) - net(other))[..., 3].abs().max() > 1e-4


def test_a_pretrained_encoder_of_slices_stays_as_it_was():
    torch.manual_seed(0)
    flat = unetr(spatial_dims=2).vit
    net = UNETR.from_pretrained(flat.state_dict(), in_channels=1, out_channels=2, img_size=(32, 32, 4), num_heads=2,
                                feature_size=2, slices=True, activation="gelu")  # fmt: skip
    assert net.receipt.inflated == net.receipt.resized == () and net.vit.depth_embedding is None
    assert torch.equal(net.vit.patch_embedding.patch_embeddings.weight, flat.patch_embedding.patch_embeddings.weight)


@pytest.mark.parametrize("method", [LinearProbe(), DVPT(layers=[2], num_prompts=2, bottleneck=2)])
def test_what_is_kept_of_slices_is_enough(method):
    torch.manual_seed(0)
    net, x = tune(unetr(spatial_dims=3, slices=True), method).eval(), torch.rand(2, 1, 32, 32, 4)
    kept = frozen_activations(net, x)
    assert all(value.shape[:2] == (2, 4) for name, value in kept.items() if name != "images")
    torch.testing.assert_close(from_activations(net, kept), net(x))


def test_images_have_no_slices():
    with pytest.raises(ValueError, match="slices is for spatial_dims=3"):
        unetr(spatial_dims=2, slices=True)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"expected images of 1 channels and size \[32, 32, 32\]"):
        unetr()(torch.rand(1, 1, 32, 32, 16))
