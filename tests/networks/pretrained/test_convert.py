"""Converted files: read back as the source was, and by MONAI's own ViT with the same features."""

import json

import pytest
import torch
from monai.networks.nets import ViT
from safetensors.torch import load_file, save_file

from dvpt_monai import LinearProbe, PretrainedError, ViTClassifier, ViTEncoder, load_pretrained, save_adapter, tune
from dvpt_monai.commands.adapter import adapter as describe
from dvpt_monai.commands.convert import convert as command
from dvpt_monai.networks.pretrained.config import METADATA
from dvpt_monai.networks.pretrained.convert import convert, monai_arguments

SIZES = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_layers": 2, "num_heads": 3}
COLOURS = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def encoder(seed=0, **more):
    torch.manual_seed(seed)
    network = ViTEncoder(**{"in_channels": 3, "img_size": 16, "eps": 1e-5, **SIZES, **more})
    for name, value in network.named_parameters():
        value.data = 0.3 * torch.randn_like(value) + (value.ndim == 1 and "norm" in name)
    return network.eval()


def same(network, other):
    state, expected = network.state_dict(), other.state_dict()
    return state.keys() == expected.keys() and all(torch.equal(value, expected[key]) for key, value in state.items())


# --- safetensors ------------------------------------------------------------------------------------------------------

NETWORKS = {
    "plain": {},
    "oblong": {"img_size": (16, 32)},
    "volume": {"spatial_dims": 3, "img_size": (16, 8, 24), "depth_embedding": True},
    "CLIP": {"activation": "quick_gelu", "pre_norm": True},
    "registers": {"num_registers": 3, "cls_token": False, "qkv_bias": False},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_tensors_do_not_tell_comes_back(name, tmp_path):
    source, path = encoder(**NETWORKS[name]), tmp_path / "vit.safetensors"
    told = {"num_heads": 3, "img_size": tuple(source.img_size), "activation": source.activation}
    convert(source.state_dict(), path, "safetensors", normalization=COLOURS, **told)
    network = ViTEncoder.from_pretrained(path)
    assert same(network, source)
    for field in ("img_size", "patch_size", "num_heads", "activation", "in_channels"):
        assert getattr(network, field) == getattr(source, field)
    assert network.norm.eps == source.norm.eps
    assert network.receipt.normalization == COLOURS
    image = torch.rand(2, 3, *source.img_size)
    with torch.no_grad():
        assert torch.equal(network.eval()(image)[0], source(image)[0])


def test_an_oblong_grid_is_resized_where_guessing_would_keep_it(tmp_path):
    source = encoder(img_size=(16, 64))
    convert(source.state_dict(), tmp_path / "vit.safetensors", "safetensors", num_heads=3, img_size=(16, 64))
    square = encoder(1, img_size=32)  # 4 x 4 positions are as many as 2 x 8
    assert load_pretrained(square, tmp_path / "vit.safetensors").resized == ("positions 2x8 -> 4x4",)
    assert load_pretrained(square, source.state_dict()).resized == ()


def test_an_adapted_encoder_is_what_the_source_gives(tmp_path):
    sizes = {"in_channels": 1, "spatial_dims": 3, "img_size": 24, "num_heads": 3}
    state, options = encoder().state_dict(), {"normalization": COLOURS, "inflation": "center"}
    direct = ViTEncoder.from_pretrained(state, **sizes, **options)
    written = convert(state, tmp_path / "vit.safetensors", "safetensors", **sizes, **options)
    network = ViTEncoder.from_pretrained(tmp_path / "vit.safetensors")
    assert same(network, direct) and same(written, direct)
    assert network.receipt.normalization == ((0.0,), (1.0,))
    assert network.receipt.origin == json.loads(json.dumps(written.receipt.as_dict()))
    assert network.receipt.origin["inflated"][0] == "patch kernel 8x8 -> 8x8x8, its centre slice"
    assert "origin    state dict (monai layout)" in str(network.receipt)


def test_an_adapter_on_a_converted_backbone_knows_where_that_came_from(tmp_path):
    torch.save(encoder().state_dict(), tmp_path / "source.pt")
    convert(tmp_path / "source.pt", tmp_path / "vit.safetensors", "safetensors", num_heads=3)
    network = tune(ViTClassifier.from_pretrained(tmp_path / "vit.safetensors", num_classes=2), LinearProbe())
    save_adapter(network, tmp_path / "adapter.safetensors")
    text = describe.callback(tmp_path / "adapter.safetensors")
    said = json.loads(text[: text.rindex("}") + 1])["backbone"]
    assert (said["source"], said["origin"]["source"]) == ("vit.safetensors", "source.pt")
    assert said["loaded"] == said["counts"]["loaded"] == said["origin"]["loaded"] == len(encoder().state_dict())
    assert {len(said["sha256"]), len(said["origin"]["sha256"])} == {64}


def test_colours_can_be_folded_afterwards(tmp_path):
    state = encoder().state_dict()
    convert(state, tmp_path / "vit.safetensors", "safetensors", normalization=COLOURS, num_heads=3)
    grey = ViTEncoder.from_pretrained(tmp_path / "vit.safetensors", in_channels=1)
    assert same(grey, ViTEncoder.from_pretrained(state, in_channels=1, normalization=COLOURS, num_heads=3))


def test_damaged_metadata_are_refused(tmp_path):
    path = tmp_path / "vit.safetensors"
    convert(encoder().state_dict(), path, "safetensors", num_heads=3)
    for damaged in ("{", "[]", '{"origin": 1, "depth": 3}', '{"normalization": 3}', '{"origin": {}}', '{"eps": 1}'):
        save_file(load_file(path), path, metadata={METADATA: damaged})
        with pytest.raises(PretrainedError, match=r"the metadata of .*vit.safetensors is damaged; convert it again"):
            ViTEncoder.from_pretrained(path)


# --- MONAI ------------------------------------------------------------------------------------------------------------


def monai_features(path, network, image):
    """The tokens that MONAI's ViT gives with a converted file: those of its last block, normed."""
    vit = ViT(**monai_arguments(network)).eval()
    found = vit.load_state_dict(torch.load(path, weights_only=True), strict=False)
    assert not found.unexpected_keys
    head = {"classification_head.0.weight", "classification_head.0.bias"} if vit.classification else set()
    assert set(found.missing_keys) == head
    with torch.no_grad():
        return vit.norm(vit(image)[1][-1])


@pytest.mark.parametrize("cls_token", [True, False])
@pytest.mark.parametrize("qkv_bias", [True, False])
@pytest.mark.parametrize("sizes", [{"img_size": (16, 24)}, {"spatial_dims": 3, "depth_embedding": True}])
def test_monais_vit_has_the_same_features(sizes, qkv_bias, cls_token, tmp_path):
    source = encoder(qkv_bias=qkv_bias, cls_token=cls_token, **sizes)
    told = {"num_heads": 3, "img_size": tuple(source.img_size)}
    written = convert(source.state_dict(), tmp_path / "vit.pt", "monai", **told)
    image = torch.rand(2, 3, *source.img_size)
    with torch.no_grad():
        expected = source(image)[0]
    torch.testing.assert_close(monai_features(tmp_path / "vit.pt", written, image), expected, rtol=1e-4, atol=1e-5)


def test_monais_vit_has_nearly_the_features_of_another_eps(tmp_path):
    source = encoder(eps=1e-6)
    written = convert(source.state_dict(), tmp_path / "vit.pt", "monai", num_heads=3)
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        expected, found = source(image)[0], monai_features(tmp_path / "vit.pt", written, image)
    assert 0 < float((found - expected).norm() / expected.norm()) < 1e-3


@pytest.mark.parametrize(
    ("network", "part"),
    [
        ({"num_registers": 2}, "register tokens"),
        ({"pre_norm": True}, "a norm before the blocks"),
        ({"activation": "quick_gelu"}, "the activation quick_gelu"),
    ],
)
def test_what_monais_vit_cannot_hold_is_refused(network, part, tmp_path):
    source = encoder(**network)
    with pytest.raises(PretrainedError, match=f"no place for {part} of this backbone; --to safetensors"):
        convert(source.state_dict(), tmp_path / "vit.pt", "monai", num_heads=3, activation=source.activation)
    assert list(tmp_path.iterdir()) == []


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["monai", "safetensors"])
def test_a_file_is_overwritten_only_if_asked_and_only_when_all_is_well(to, tmp_path):
    path, state = tmp_path / "vit.bin", encoder().state_dict()
    path.write_text("precious")
    with pytest.raises(PretrainedError, match=r"vit.bin exists; name another file, or --overwrite"):
        convert(state, path, to, num_heads=3)
    with pytest.raises(PretrainedError, match=r"exists; name another file$"):
        convert(state, tmp_path, to, num_heads=3, overwrite=True)
    with pytest.raises(PretrainedError, match="lacks"):
        convert({k: v for k, v in state.items() if "linear1" not in k}, path, to, num_heads=3, overwrite=True)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]
    convert(state, path, to, num_heads=3, overwrite=True)
    assert same(ViTEncoder.from_pretrained(path, num_heads=3), encoder())


@pytest.mark.parametrize(
    ("to", "arguments", "message"),
    [
        ("numpy", {}, "--to is monai or safetensors, not 'numpy'"),
        ("monai", {"tap": 1}, "no argument 'tap'; there are in_channels, img_size"),
        ("monai", {"img_size": 15}, r"convert: ViTEncoder: img_size \(15, 15\) is no multiple"),
    ],
)
def test_other_arguments_are_refused(to, arguments, message, tmp_path):
    with pytest.raises(PretrainedError, match=message):
        convert(encoder().state_dict(), tmp_path / "vit.pt", to, num_heads=3, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_receipt_and_how_to_build(tmp_path):
    source = tmp_path / "source.pt"
    torch.save(encoder().state_dict(), source)
    text = command.callback(str(source), tmp_path / "vit.pt", "monai", overwrite=False, num_heads=3).splitlines()
    assert text[0] == "source.pt (monai layout)"
    assert text[-3] == f"{tmp_path}/vit.pt: {(tmp_path / 'vit.pt').stat().st_size:,} bytes"
    assert text[-2].startswith("fits monai.networks.nets.ViT(in_channels=3, img_size=(16, 16), patch_size=(8, 8), ")
    assert text[-1] == "whose LayerNorms have eps 1e-05; those of this backbone have 1e-05"
    written = command.callback(str(source), tmp_path / "vit.safetensors", "safetensors", False, num_heads=3)
    assert "MONAI" not in written and "sha256" in written
