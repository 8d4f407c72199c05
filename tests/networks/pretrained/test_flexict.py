"""FlexiCT against its formula, written here a second time in float64: one file, an encoder of slices and of volumes."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from dvpt_monai import UNETR, PretrainedError, SliceClassifier, ViTClassifier, ViTEncoder
from dvpt_monai.networks.pretrained import source
from dvpt_monai.networks.pretrained.catalog import CATALOG
from dvpt_monai.networks.pretrained.convert import convert
from dvpt_monai.new_bundle.backbone import architecture_of

WIDTH, HEADS, INNER, DEPTH, PATCH, STORAGE = 144, 2, 40, 3, 8, 4
SIZES = {2: (16, 24), 3: (16, 24, 16)}
BLOCK = {
    "norm1.weight": (WIDTH,),
    "norm1.bias": (WIDTH,),
    "attn.qkv.weight": (3 * WIDTH, WIDTH),
    "attn.proj.weight": (WIDTH, WIDTH),
    "attn.proj.bias": (WIDTH,),
    "ls1.gamma": (WIDTH,),
    "norm2.weight": (WIDTH,),
    "norm2.bias": (WIDTH,),
    "mlp.fc1.weight": (INNER, WIDTH),
    "mlp.fc1.bias": (INNER,),
    "mlp.fc2.weight": (WIDTH, INNER),
    "mlp.fc2.bias": (WIDTH,),
    "ls2.gamma": (WIDTH,),
}
SHAPES = {
    "cls_token": (1, 1, WIDTH),
    "storage_tokens": (1, STORAGE, WIDTH),
    "mask_token": (1, WIDTH),
    **{f"patch_embed_{dims}D.proj.weight": (WIDTH, 1, *(PATCH,) * dims) for dims in (2, 3)},
    **{f"patch_embed_{dims}D.proj.bias": (WIDTH,) for dims in (2, 3)},
    **{f"blocks.{i}.{name}": shape for i in range(DEPTH) for name, shape in BLOCK.items()},
    "norm.weight": (WIDTH,),
    "norm.bias": (WIDTH,),
}


def periods(dims):
    """Of one axis: a half, or a third, of the pairs of a head of 72 channels turns along it."""
    return torch.tensor([100 ** (2 * j / 36) for j in range(36 // dims)], dtype=torch.float64)


@pytest.fixture(scope="module")
def state():
    """Its teacher, every tensor random; periods rounded as its training keeps them."""
    random = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(*shape, generator=random) * 0.2 for name, shape in SHAPES.items()}
    return weights | {f"rope_embed_{dims}D.periods": periods(dims).bfloat16() for dims in (2, 3)}


def file(state):
    """As its authors save it."""
    heads = {"dino_head.last_layer.weight": torch.rand(3, 4), "ibot_head.mlp.0.weight": torch.rand(3, WIDTH)}
    return {"teacher": {**{f"backbone.{name}": value for name, value in state.items()}, **heads}, "iteration": 9}


def formula(state, image):
    """The normed tokens: CLS, registers, patches."""
    net, dims = {name: value.double() for name, value in state.items()}, image.ndim - 2

    def norm(x, name):
        deviation = torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-6)
        return (x - x.mean(-1, keepdim=True)) / deviation * net[f"{name}.weight"] + net[f"{name}.bias"]

    def linear(x, name):
        return x @ net[f"{name}.weight"].T + net.get(f"{name}.bias", 0)

    conv = functional.conv2d if dims == 2 else functional.conv3d
    kernel, bias = (net[f"patch_embed_{dims}D.proj.{kind}"] for kind in ("weight", "bias"))
    maps = conv(image.double(), kernel, bias, stride=PATCH)
    grid = maps.shape[2:]
    places = torch.cartesian_prod(*(torch.arange(side, dtype=torch.float64) for side in grid))
    coordinates = (places + 0.5) / torch.tensor(grid) * 2 - 1
    angles = torch.cat([2 * torch.pi * along[:, None] / periods(dims) for along in coordinates.T], 1)
    turn = torch.exp(1j * angles)
    first = 1 + STORAGE

    def turned(x):
        half = x.shape[-1] // 2
        patches = torch.complex(x[:, :, first:, :half].contiguous(), x[:, :, first:, half:].contiguous()) * turn
        return torch.cat((x[:, :, :first], torch.cat((patches.real, patches.imag), -1)), 2)

    tokens = torch.cat((net["cls_token"], net["storage_tokens"]), 1).expand(len(image), -1, -1)
    x = torch.cat((tokens, maps.flatten(2).transpose(1, 2)), 1)
    for i in range(DEPTH):
        y = linear(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in y.chunk(3, -1))
        scores = turned(q) @ turned(k).transpose(-1, -2) / (WIDTH / HEADS) ** 0.5
        y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + net[f"blocks.{i}.ls1.gamma"] * linear(y, f"blocks.{i}.attn.proj")
        y = linear(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1")
        y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
        x = x + net[f"blocks.{i}.ls2.gamma"] * linear(y, f"blocks.{i}.mlp.fc2")
    return norm(x, "norm")


def tokens(network, image):
    with torch.no_grad():
        return network.eval().double()(image.double())[0]


def image_of(dims):
    return torch.randn(2, 1, *SIZES[dims], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dims", [2, 3])
def test_the_features_are_those_of_the_formula(state, dims):
    network = ViTEncoder.from_pretrained(file(state), spatial_dims=dims, img_size=SIZES[dims])
    receipt = network.receipt
    assert (receipt.layout, receipt.missing, receipt.normalization) == (f"flexict_{dims}d", (), None)
    assert (network.num_heads, network.norm.eps) == (HEADS, 1e-6)
    assert {f"backbone.patch_embed_{5 - dims}D.proj.weight", "dino_head.last_layer.weight"} <= set(receipt.ignored)
    image = image_of(dims)
    torch.testing.assert_close(tokens(network, image), formula(state, image), rtol=1e-5, atol=1e-5)


def with_the_spectrum_of_three_axes(network):
    network.rotation.spread = network.rotation.bands
    network.rotation.lay_out(network.grid)


def with_axes_swapped(network):
    for name in ("cos", "sin"):
        table = getattr(network.rotation, name).unflatten(0, (2, 3, 2))
        setattr(network.rotation, name, table.transpose(0, 2).flatten(0, 2))


def without_rotation(network):
    for block in network.blocks:
        block.attn.rotation = None


@pytest.mark.parametrize("damage", [with_the_spectrum_of_three_axes, with_axes_swapped, without_rotation])
def test_the_tolerance_sees_another_rotation(state, damage):
    network = ViTEncoder.from_pretrained(file(state), spatial_dims=3, img_size=SIZES[3])
    damage(network)
    image = image_of(3)
    assert (tokens(network, image) - formula(state, image)).abs().max() > 1e-3


def test_which_of_the_two_is_asked_for(state):
    with pytest.raises(PretrainedError, match=r"flexict_2d at .*, flexict_3d at .*; give spatial_dims=2 or 3"):
        ViTEncoder.from_pretrained(file(state), img_size=16)
    volume = torch.rand(1, 1, 16, 16, 16)
    networks = {
        "flexict_3d": UNETR.from_pretrained(file(state), out_channels=2, img_size=16, feature_size=2),
        "flexict_2d": UNETR.from_pretrained(file(state), out_channels=2, img_size=16, feature_size=2, slices=True),
        "flexict_2d ": SliceClassifier.from_pretrained(file(state), num_classes=2, img_size=16),
        "flexict_3d ": ViTClassifier.from_pretrained(file(state), num_classes=2, img_size=16, spatial_dims=3),
    }
    for layout, network in networks.items():
        assert network.receipt.layout == layout.strip() and network.receipt.inflated == ()
        assert network.eval()(volume).isfinite().all()


def test_a_bundle_of_volumes_and_one_of_slices_are_made_for_it(state, tmp_path):
    torch.save(file(state), tmp_path / "teacher.pth")
    volumes, slices = (architecture_of(str(tmp_path / "teacher.pth"), dims) for dims in (3, 2))
    assert (volumes.dims, volumes.arguments["rotary"].get("spectrum"), volumes.lifted) == (3, 2, False)
    assert (slices.dims, slices.arguments["rotary"].get("spectrum"), slices.channels) == (2, None, 1)


def test_the_catalog_tells_which(state, monkeypatch, tmp_path):
    torch.save(file(state), tmp_path / "teacher.pth")
    monkeypatch.setattr(source.download, "fetch", lambda name: tmp_path / "teacher.pth")
    monkeypatch.setitem(CATALOG, "flexict-2d", replace(CATALOG["flexict-2d"], image=16))
    inflated = UNETR.from_pretrained("flexict-2d", out_channels=2, img_size=16, patch_size=8, feature_size=2)
    assert inflated.receipt.inflated[0] == "patch kernel 8x8 -> 8x8x8" and inflated.vit.rotary["axes"] == 2
    assert ViTEncoder.from_pretrained("flexict-3d").img_size == [160, 160, 160]
    for slices in (SliceClassifier, UNETR):
        more = {"num_classes": 2} if slices is SliceClassifier else {"out_channels": 2, "slices": True}
        with pytest.raises(PretrainedError, match="flexict-3d is 3D; its encoder here reads slices"):
            slices.from_pretrained("flexict-3d", img_size=16, **more)


def test_a_kernel_of_volumes_that_was_never_trained_is_refused(state):
    """A file of the training on slices holds one all the same."""
    drawn = torch.rand(SHAPES["patch_embed_3D.proj.weight"]) * 2 - 1
    slices = file({**state, "patch_embed_3D.proj.weight": drawn / 512**0.5})
    with pytest.raises(PretrainedError, match=r"never trained: it is FlexiCT's teacher of slices. Give spatial_dims=2"):
        ViTEncoder.from_pretrained(slices, spatial_dims=3, img_size=16)
    assert ViTEncoder.from_pretrained(slices, spatial_dims=2, img_size=16).receipt.layout == "flexict_2d"
    inflated = state["patch_embed_2D.proj.weight"][:, :, None].expand(-1, -1, PATCH, -1, -1) / PATCH
    ViTEncoder.from_pretrained({**state, "patch_embed_3D.proj.weight": inflated}, spatial_dims=3, img_size=16)


def test_a_converted_file_keeps_its_rotation(state, tmp_path):
    path = tmp_path / "flexict.safetensors"
    convert(file(state), path, "safetensors", spatial_dims=3, img_size=SIZES[3])
    network = ViTEncoder.from_pretrained(path)
    assert network.rotary["spectrum"] == 2
    image = image_of(3)
    torch.testing.assert_close(tokens(network, image), formula(state, image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_half_precision_is_read_as_the_numbers_that_it_holds(state, dims):
    half = {name: value.bfloat16() for name, value in state.items()}
    network = ViTEncoder.from_pretrained(file(half), spatial_dims=dims, img_size=SIZES[dims])
    image = image_of(dims)
    torch.testing.assert_close(tokens(network, image), formula(half, image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_one_tensor_that_is_renamed_transposed_missing_or_wider_is_refused(state, dims):
    known, other = {"spatial_dims": dims, "img_size": SIZES[dims]}, f"{5 - dims}D."
    for key, value in state.items():
        if key == "mask_token" or other in key:
            continue
        rest = {name: tensor for name, tensor in state.items() if name != key}
        damages = {"renamed": {**rest, f"{key}s": value}, "missing": rest}
        if "patch_embed" not in key or value.ndim == 1:  # patches may have any size
            damages["wider"] = {**state, key: torch.cat((value, value[..., :1]), -1)}
        if value.ndim == 2 and len(value) != len(value.T):
            damages["transposed"] = {**state, key: value.T.contiguous()}
        if key.startswith("rope_embed"):  # the layout tells them, too
            damages = {"wider": damages["wider"], "another": {**state, key: value * 2}}
        for damage, content in damages.items():
            with pytest.raises(PretrainedError, match="state dict"):
                ViTEncoder.from_pretrained(file(content), **known)
                pytest.fail(f"{key} {damage}")
