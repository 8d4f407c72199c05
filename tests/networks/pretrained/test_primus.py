"""Primus against its formula, written here a second time in float64, and against its authors' class."""

import pytest
import torch
from torch.nn import functional

from dvpt_monai import UNETR, PretrainedError, ViTClassifier, ViTEncoder
from dvpt_monai.networks.pretrained.convert import convert
from tests.networks.pretrained.hollow import timm_or_skip

SIDE, PATCH, WIDTH, HEADS, INNER, DEPTH = 3, 4, 24, 2, 40, 3
EPS = 1e-5
BLOCK = {
    "norm1.weight": (WIDTH,),
    "norm1.bias": (WIDTH,),
    "attn.q_proj.weight": (WIDTH, WIDTH),
    "attn.q_proj.bias": (WIDTH,),
    "attn.k_proj.weight": (WIDTH, WIDTH),
    "attn.v_proj.weight": (WIDTH, WIDTH),
    "attn.v_proj.bias": (WIDTH,),
    "attn.norm.weight": (WIDTH,),
    "attn.norm.bias": (WIDTH,),
    "attn.proj.weight": (WIDTH, WIDTH),
    "attn.proj.bias": (WIDTH,),
    "gamma_1": (WIDTH,),
    "norm2.weight": (WIDTH,),
    "norm2.bias": (WIDTH,),
    "mlp.fc1_g.weight": (INNER, WIDTH),
    "mlp.fc1_g.bias": (INNER,),
    "mlp.fc1_x.weight": (INNER, WIDTH),
    "mlp.fc1_x.bias": (INNER,),
    "mlp.norm.weight": (INNER,),
    "mlp.norm.bias": (INNER,),
    "mlp.fc2.weight": (WIDTH, INNER),
    "mlp.fc2.bias": (WIDTH,),
    "gamma_2": (WIDTH,),
}


def weights(registers=0, grid=(SIDE,) * 3):
    """A Primus under its authors' names, every tensor of its encoder random."""
    random = torch.Generator().manual_seed(0)
    count = registers + grid[0] * grid[1] * grid[2]
    shapes = {
        "down_projection.proj.weight": (WIDTH, 1, *(PATCH,) * 3),
        "down_projection.proj.bias": (WIDTH,),
        "eva.pos_embed": (1, count, WIDTH),
        **{f"eva.blocks.{i}.{name}": shape for i in range(DEPTH) for name, shape in BLOCK.items()},
        "eva.norm.weight": (WIDTH,),
        "eva.norm.bias": (WIDTH,),
        **({"register_tokens": (1, registers, WIDTH)} if registers else {}),
    }
    return {name: torch.randn(*shape, generator=random) * 0.3 for name, shape in shapes.items()}


def file(state):
    """As nnU-Net's pre-training saves it: with a mask token, a decoder, and what tells how to adapt it."""
    beside = {"mask_token": torch.zeros(1, 1, WIDTH), "up_projection.decode.0.weight": torch.rand(WIDTH, 2, 4, 4, 4)}
    return {"network_weights": {**state, **beside}, "nnssl_adaptation_plan": {"key_to_encoder": "eva"}, "citations": []}


def formula(state, volume, registers=0):
    """The tokens behind its last norm, in float64: registers, patches."""
    net = {name: value.double() for name, value in state.items()}

    def norm(x, name):
        deviation = torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + EPS)
        return (x - x.mean(-1, keepdim=True)) / deviation * net[f"{name}.weight"] + net[f"{name}.bias"]

    def linear(x, name):
        return x @ net[f"{name}.weight"].T + net.get(f"{name}.bias", 0)

    maps = functional.conv3d(
        volume.double(), net["down_projection.proj.weight"], net["down_projection.proj.bias"], stride=PATCH
    )
    turns = []  # of each patch, one complex number for each pair of neighbouring channels of a head
    bands = [10000 ** (-j / (WIDTH // HEADS // 6)) for j in range(WIDTH // HEADS // 6)]
    for i in range(maps.shape[2]):
        for j in range(maps.shape[3]):
            for k in range(maps.shape[4]):
                angles = torch.tensor([place * band for place in (i, j, k) for band in bands], dtype=torch.float64)
                turns.append(torch.exp(1j * angles))
    turn = torch.stack(turns)

    def turned(x):
        patches = torch.view_as_complex(x[:, :, registers:].unflatten(-1, (-1, 2)).contiguous()) * turn
        return torch.cat((x[:, :, :registers], torch.view_as_real(patches).flatten(-2)), 2)

    x = maps.flatten(2).transpose(1, 2)
    if registers:
        x = torch.cat((net["register_tokens"].expand(len(x), -1, -1), x), 1)
    x = x + net["eva.pos_embed"]
    for i in range(DEPTH):
        block = f"eva.blocks.{i}"
        y = norm(x, f"{block}.norm1")
        q, k, v = (linear(y, f"{block}.attn.{p}_proj").unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in "qkv")
        scores = turned(q) @ turned(k).transpose(-1, -2) / (WIDTH / HEADS) ** 0.5
        y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + net[f"{block}.gamma_1"] * linear(norm(y, f"{block}.attn.norm"), f"{block}.attn.proj")
        y = norm(x, f"{block}.norm2")
        gate = linear(y, f"{block}.mlp.fc1_g")
        y = gate / (1 + torch.exp(-gate)) * linear(y, f"{block}.mlp.fc1_x")
        x = x + net[f"{block}.gamma_2"] * linear(norm(y, f"{block}.mlp.norm"), f"{block}.mlp.fc2")
    return norm(x, "eva.norm")


def tokens(network, volume):
    with torch.no_grad():
        return network.eval().double()(volume.double())[0]


@pytest.fixture(scope="module")
def volume():
    return torch.randn(2, 1, *(SIDE * PATCH,) * 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("registers", [0, 2])
def test_the_features_are_those_of_the_formula(registers, volume):
    state = weights(registers)
    network = ViTEncoder.from_pretrained(file(state), num_heads=HEADS)
    receipt = network.receipt
    assert (receipt.layout, receipt.missing, receipt.normalization) == ("primus", (), None)
    assert set(receipt.loaded) == set(network.state_dict())
    assert {key.split(".")[0] for key in receipt.ignored} == {"mask_token", "up_projection"}
    assert (network.img_size, network.cls_token, network.first) == ([12, 12, 12], None, registers)
    torch.testing.assert_close(tokens(network, volume), formula(state, volume, registers), rtol=1e-5, atol=1e-5)


def swapped(first, second):
    """Each of two tensors under the name of the other."""
    names = {first: second, second: first}

    def damaged(state):
        parts = {name: next((part for part in names if part in name), None) for name in state}
        return {name.replace(part, names[part]) if part else name: state[name] for name, part in parts.items()}

    return damaged


def without(part):
    return lambda state: {name: value for name, value in state.items() if part not in name}


FILES = {
    "gate and value swapped": swapped(".fc1_g.", ".fc1_x."),
    "queries and keys swapped": swapped(".q_proj.weight", ".k_proj.weight"),
    "LayerScale left out": without(".gamma_"),
    "the norm inside attention left out": without(".attn.norm."),
    "the norm inside the MLP left out": without(".mlp.norm."),
}


@pytest.mark.parametrize("damage", FILES)
def test_the_tolerance_sees_a_file_that_is_another(damage, volume):
    state = weights()
    network = ViTEncoder.from_pretrained(FILES[damage](state), num_heads=HEADS)
    assert (tokens(network, volume) - formula(state, volume)).abs().max() > 1e-3


def without_rotation(network):
    for block in network.blocks:
        block.attn.rotation = None


def with_axes_swapped(network):
    for name in ("cos", "sin"):
        table = getattr(network.rotation, name).unflatten(0, (SIDE,) * 3)
        setattr(network.rotation, name, table.transpose(0, 2).flatten(0, 2))


def with_halves_as_pairs(network):
    network.rotation.interleaved = False
    network.rotation.lay_out(network.grid)


def with_dinov3s_coordinates(network):
    network.rotation.own = False
    network.rotation.lay_out(network.grid)


def with_another_eps(network):
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-2


@pytest.mark.parametrize(
    "damage",
    [without_rotation, with_axes_swapped, with_halves_as_pairs, with_dinov3s_coordinates, with_another_eps],
)
def test_the_tolerance_sees_a_network_that_is_another(damage, volume):
    state = weights()
    network = ViTEncoder.from_pretrained(state, num_heads=HEADS)
    damage(network)
    assert (tokens(network, volume) - formula(state, volume)).abs().max() > 1e-3


def test_a_volume_of_another_size_is_counted_patch_by_patch_as_its_authors_do():
    state = weights()
    large = torch.randn(1, 1, 16, 12, 20)
    network = ViTEncoder.from_pretrained(state, num_heads=HEADS, img_size=(16, 12, 20))
    assert network.receipt.resized == ("positions 3x3x3 -> 4x3x5",)
    grid = state["eva.pos_embed"].double().transpose(1, 2).unflatten(2, (3, 3, 3))
    positions = functional.interpolate(grid, size=(4, 3, 5), mode="trilinear").flatten(2).transpose(1, 2)
    expected = formula({**state, "eva.pos_embed": positions}, large)
    torch.testing.assert_close(tokens(network, large), expected, rtol=1e-5, atol=1e-5)
    grown = ViTEncoder.from_pretrained(state, num_heads=HEADS).resize((16, 12, 20))
    torch.testing.assert_close(tokens(grown, large), expected, rtol=1e-5, atol=1e-5)


def test_an_oblong_volume_of_the_training_has_to_be_given():
    state = weights(registers=1, grid=(4, 3, 5))
    with pytest.raises(PretrainedError, match="give img_size="):
        ViTEncoder.from_pretrained(state, num_heads=HEADS)


@pytest.mark.parametrize(("width", "heads"), [(396, 6), (792, 12), (864, 12), (1056, 16)])
def test_the_published_widths_have_their_heads(width, heads):
    state = {
        name: torch.zeros(*(width if side == WIDTH else side for side in value.shape))
        for name, value in weights().items()
        if "blocks.0" in name or "blocks" not in name
    }
    assert ViTEncoder.from_pretrained(state).num_heads == heads


def test_other_widths_are_asked_for_their_heads_even_where_64_would_divide_them():
    for width in (WIDTH, 64):
        state = {
            name: torch.zeros(*(width if side == WIDTH else side for side in value.shape))
            for name, value in weights().items()
        }
        with pytest.raises(PretrainedError, match="give num_heads="):
            ViTEncoder.from_pretrained(state)


def test_a_unetr_and_a_classifier_of_volumes_take_its_encoder(tmp_path, volume):
    torch.save(file(weights()), tmp_path / "checkpoint_final.pth")
    path = tmp_path / "checkpoint_final.pth"
    unetr = UNETR.from_pretrained(path, num_heads=HEADS, out_channels=2, img_size=16, patch_size=8, feature_size=4)
    assert unetr.receipt.resized == ("patch kernel 4x4x4 -> 8x8x8", "positions 3x3x3 -> 2x2x2")
    assert unetr.receipt.inflated == () and unetr.vit.depth_embedding is None
    assert unetr.vit.rotary == {"base": 10000.0, "interleaved": True, "reference": "own", "axes": 3}
    assert unetr.eval()(torch.rand(1, 1, 16, 16, 16)).shape == (1, 2, 16, 16, 16)
    classifier = ViTClassifier.from_pretrained(path, num_heads=HEADS, num_classes=3)
    assert classifier.pooling == "mean"
    expected = formula(weights(), volume).mean(1)
    with torch.no_grad():
        features = classifier.eval().double().features(volume.double())
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(PretrainedError, match="is 3D; build it with spatial_dims=3"):
        UNETR.from_pretrained(path, num_heads=HEADS, out_channels=2, img_size=32, patch_size=8, spatial_dims=2)


def test_a_converted_file_keeps_heads_and_rotation(tmp_path, volume):
    torch.save(file(weights(2)), tmp_path / "primus.pth")
    convert(tmp_path / "primus.pth", tmp_path / "primus.safetensors", "safetensors", num_heads=HEADS)
    network = ViTEncoder.from_pretrained(tmp_path / "primus.safetensors")
    torch.testing.assert_close(tokens(network, volume), formula(weights(2), volume, 2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_the_numbers_that_it_holds(half, volume):
    state = {name: value.to(half) for name, value in weights().items()}
    network = ViTEncoder.from_pretrained(state, num_heads=HEADS)
    assert len(network.receipt.converted) == 1
    torch.testing.assert_close(tokens(network, volume), formula(state, volume), rtol=1e-5, atol=1e-5)


def test_one_tensor_that_is_renamed_transposed_missing_or_wider_is_refused():
    state = weights(registers=2)
    for key, value in state.items():
        rest = {name: tensor for name, tensor in state.items() if name != key}
        damages = {"renamed": {**rest, f"{key}s": value}}
        if key != "down_projection.proj.weight":  # whose patch may have any size
            damages["wider"] = {**state, key: torch.cat((value, value[..., :1]), -1)}
        if key != "register_tokens":  # whose positions are then no cube's
            damages["missing"] = rest
        if value.ndim == 2 and len(value) != len(value.T):
            damages["transposed"] = {**state, key: value.T.contiguous()}
        for damage, content in damages.items():
            with pytest.raises(PretrainedError, match="state dict"):
                ViTEncoder.from_pretrained(content, num_heads=HEADS)
                pytest.fail(f"{key} {damage}")


@pytest.mark.parametrize("part", ["mlp.grn.gamma", "attn.q_norm.weight", "attn.gate.weight"])
def test_a_later_primus_is_refused_with_the_reason(part):
    with pytest.raises(PretrainedError, match="this is a Primus with other parts"):
        ViTEncoder.from_pretrained({**weights(), f"eva.blocks.0.{part}": torch.rand(WIDTH)}, num_heads=HEADS)
    stem = {name.replace("down_projection.proj", "down_projection.stem.0"): value for name, value in weights().items()}
    with pytest.raises(PretrainedError, match="looks like a Primus with other parts"):
        ViTEncoder.from_pretrained(stem, num_heads=HEADS)


@pytest.mark.parametrize("registers", [0, 3])
@pytest.mark.parametrize("scaled", [True, False])
def test_the_features_are_those_of_its_authors_class_where_it_is_installed(registers, scaled, volume):
    timm_or_skip()  # of which it is made
    theirs = pytest.importorskip("dynamic_network_architectures.architectures.primus", exc_type=ImportError)
    torch.manual_seed(0)
    model = theirs.Primus(
        1,
        WIDTH,
        (PATCH,) * 3,
        2,
        DEPTH,
        HEADS,
        (SIDE * PATCH,) * 3,
        num_register_tokens=registers,
        init_values=0.1 if scaled else None,
        scale_attn_inner=scaled,
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    network = ViTEncoder.from_pretrained({"network_weights": model.state_dict()}, num_heads=HEADS)
    with torch.no_grad():
        x = model.double().down_projection(volume.double()).flatten(2).transpose(1, 2)
        if registers:
            x = torch.cat((model.register_tokens.expand(len(x), -1, -1), x), 1)
        expected = model.eva(x)[0]
    torch.testing.assert_close(tokens(network, volume), expected, rtol=1e-5, atol=1e-5)
    if scaled:
        torch.testing.assert_close(formula(model.state_dict(), volume, registers), expected, rtol=1e-5, atol=1e-5)
