"""Rotary positions: the angles, what is turned, and what follows when the image has another size."""

import copy

import pytest
import torch

from dvpt_monai import (
    CVPT,
    UNETR,
    VPT,
    AdapterError,
    ViTClassifier,
    ViTEncoder,
    load_adapter,
    load_pretrained,
    save_adapter,
    tune,
)
from dvpt_monai.networks.rotary import Rotation, complete_rotary

SMALL = {"hidden_size": 24, "mlp_dim": 32, "num_heads": 2, "num_layers": 3, "patch_size": 8}
ROTARY = {**SMALL, "activation": "swiglu", "positions": False, "rotary": {}, "num_registers": 2}


def angles(coordinates, bands, base):
    return torch.tensor([[c / base ** (j / bands) for c in row for j in range(bands)] for row in coordinates])


def expected(x, first, angle, interleaved=False):
    """The patches behind ``first``, pair by pair as complex numbers."""
    turn = torch.polar(torch.ones_like(angle), angle)
    patches = x[..., first : first + len(angle), :]
    half = x.shape[-1] // 2
    pairs = (patches[..., ::2], patches[..., 1::2]) if interleaved else (patches[..., :half], patches[..., half:])
    turned = torch.complex(*(part.contiguous() for part in pairs)) * turn
    parts = (turned.real, turned.imag)
    y = x.clone()
    y[..., first : first + len(angle), :] = torch.stack(parts, -1).flatten(-2) if interleaved else torch.cat(parts, -1)
    return y


@pytest.fixture
def x():
    return torch.randn(2, 3, 20, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_angles_are_dinov3s(x):
    rows = [
        2 * torch.pi * torch.tensor([2 * (i + 0.5) / 2 - 1, 2 * (j + 0.5) / 3 - 1]) for i in range(2) for j in range(3)
    ]
    rotation = Rotation(12, 5, (2, 3), complete_rotary({}, 2)).double()
    rotation.lay_out((2, 3))
    torch.testing.assert_close(rotation(x), expected(x, 5, angles(rows, 3, 100.0).double()), rtol=1e-6, atol=1e-6)


def test_a_reference_grid_and_neighbouring_pairs_are_eva02s(x):
    settings = complete_rotary({"base": 10000.0, "interleaved": True, "reference": [4, 6]}, 2)
    rows = [torch.tensor([i * 4 / 2, j * 6 / 3]) for i in range(2) for j in range(3)]
    rotation = Rotation(12, 1, (2, 3), settings).double()
    rotation.lay_out((2, 3))
    torch.testing.assert_close(rotation(x), expected(x, 1, angles(rows, 3, 1e4).double(), True), rtol=1e-6, atol=1e-6)


def test_three_axes_have_a_third_of_the_channels_each(x):
    rotation = Rotation(12, 0, (2, 2, 2), complete_rotary({}, 3))
    grid = [(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    rows = [torch.pi * torch.tensor(row, dtype=torch.float32) for row in grid]
    torch.testing.assert_close(
        rotation(x.float()), expected(x.float(), 0, angles(rows, 2, 100.0)), rtol=1e-4, atol=1e-4
    )
    left = Rotation(14, 0, (2, 2, 2), complete_rotary({}, 3))
    assert left.cos[:, [6, 13]].eq(1).all() and left.sin[:, [6, 13]].eq(0).all(), "what is left over does not turn"


def test_a_spectrum_of_two_axes_gives_each_of_three_its_first_frequencies(x):
    plane = Rotation(12, 0, (2, 2), complete_rotary({}, 2))
    volume = Rotation(12, 0, (2, 2, 2), complete_rotary({"spectrum": 2}, 3))
    angles_of = [torch.atan2(rotation.sin, rotation.cos)[-1, :6] for rotation in (plane, volume)]
    first, second = (part[:2] for part in angles_of[0].chunk(2))
    torch.testing.assert_close(angles_of[1], torch.cat((first, second, second)))
    assert (volume(x.float()) - Rotation(12, 0, (2, 2, 2), complete_rotary({}, 3))(x.float())).abs().max() > 1e-2
    assert complete_rotary({"spectrum": 3}, 3) == complete_rotary({}, 3), "an adapter of before says nothing of it"


def test_the_plane_alone_turns_every_slice_alike():
    flat = Rotation(12, 0, (2, 3), complete_rotary({}, 2))
    deep = Rotation(12, 0, (2, 3, 4), complete_rotary({"axes": 2}, 3))
    assert torch.equal(deep.cos.unflatten(0, (6, 4)), flat.cos[:, None].expand(-1, 4, -1))


@pytest.mark.parametrize(
    ("rotary", "message"),
    [
        ({"axis": 2}, "no setting 'axis'; there are axes, spectrum, base"),
        ({"spectrum": 4}, "spectrum must be a number of axes, 1 to 3, not 4"),
        ({"axes": 3}, "axes must be between 1 and the 2 of the grid, not 3"),
        ({"base": 0}, "base must be positive"),
        ({"reference": [4]}, "must have a number for each of 2 axes"),
    ],
)
def test_settings_that_do_not_fit_are_refused(rotary, message):
    with pytest.raises(ValueError, match=message):
        ViTEncoder(in_channels=1, img_size=16, **{**ROTARY, "rotary": rotary})


def test_heads_that_are_too_narrow_are_refused():
    with pytest.raises(ValueError, match="heads of 4 channels cannot turn along 3 axes"):
        ViTEncoder(in_channels=1, img_size=16, spatial_dims=3, **{**ROTARY, "num_heads": 6})


@pytest.mark.parametrize("method", [VPT(num_prompts=3), VPT(num_prompts=3, deep=False), CVPT(num_prompts=3)])
def test_registers_and_prompts_are_never_turned(method):
    """They do not see where they stand: in another order, the patches are what they were."""
    torch.manual_seed(0)
    network = tune(ViTEncoder(in_channels=1, img_size=32, **ROTARY), method).eval().double()
    image = torch.rand(1, 1, 32, 32, dtype=torch.float64)

    def patches():
        with torch.no_grad():
            return network.patches(network(image)[0])

    plain = patches()
    shuffled = {name: value[:, [2, 0, 1]] for name, value in network.state_dict().items() if "prompts" in name}
    assert shuffled
    network.load_state_dict({"register_tokens": network.register_tokens.flip(1), **shuffled}, strict=False)
    torch.testing.assert_close(patches(), plain, rtol=1e-9, atol=1e-9)
    # The control: turn the last N tokens, as upstream does where nothing is appended.
    if not isinstance(method, CVPT):
        network.rotation.first, network.rotation.end = 6, network.rotation.end + 3
        assert (patches() - plain).abs().max() > 1e-4
    network.rotation.first, network.rotation.end = 0, 16
    assert (patches() - plain).abs().max() > 1e-4


def test_resize_lays_the_table_out_anew():
    torch.manual_seed(0)
    small = ViTEncoder(in_channels=1, img_size=32, **ROTARY)
    large = ViTEncoder(in_channels=1, img_size=(48, 40), **ROTARY)
    large.load_state_dict(small.state_dict())
    image = torch.rand(1, 1, 48, 40)
    assert torch.equal(small.resize((48, 40))(image)[0], large(image)[0])
    assert len(small.rotation.cos) == 30
    assert copy.deepcopy(small).blocks[2].attn.rotation is not small.rotation


def test_an_adapter_of_another_rotation_or_gate_is_refused(tmp_path):
    path = tmp_path / "adapter.safetensors"
    sizes = {"num_classes": 2, "in_channels": 1, "img_size": 16, **ROTARY, "positions": True}

    def network(**other):
        torch.manual_seed(0)
        return ViTClassifier(**{**sizes, **other})

    save_adapter(tune(network(), VPT(num_prompts=2)), path)
    load_adapter(network(), path)
    for other, message in (
        ({"rotary": None}, "trained with rotary={.*}, this ViTClassifier has rotary=None"),
        ({"rotary": {"base": 50.0}}, "'base': 50.0"),
        ({"activation": "gelu", "mlp_dim": 64}, "linear2.weight is .* here and .* in the backbone"),
    ):
        with pytest.raises(AdapterError, match=message):
            load_adapter(network(**other), path)
    save_adapter(tune(network(rotary=None), VPT(num_prompts=2)), path)
    with pytest.raises(AdapterError, match="trained with rotary=None, this"):
        load_adapter(network(), path)


def test_a_rotary_network_goes_from_2d_to_3d_and_says_how():
    torch.manual_seed(0)
    flat = ViTEncoder(in_channels=3, img_size=32, **ROTARY).eval()
    deep = UNETR(in_channels=3, out_channels=2, img_size=32, feature_size=4, **{**ROTARY, "rotary": {"axes": 2}},
                 depth_embedding=True).eval()  # fmt: skip
    receipt = load_pretrained(deep, flat.state_dict())
    assert receipt.inflated == ("patch kernel 8x8 -> 8x8x8",)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        # A volume that is constant along z: each token has its slice's neighbours four times, which changes nothing
        # but the share of CLS and registers among what it attends to.
        maps = deep.vit(image[..., None].expand(-1, -1, -1, -1, 32))[1][0]
        assert torch.allclose(maps, maps[..., :1].expand_as(maps), atol=1e-5)
        assert deep(torch.rand(1, 3, 32, 32, 32)).shape == (1, 2, 32, 32, 32)
