"""What becomes of a whole encoder in another size, with other channels, in 3D, or from a file that is not complete."""

import json

import pytest
import torch
from torch.nn import functional

from dvpt_monai import UNETR, PretrainedError, ViTClassifier, ViTEncoder, load_pretrained
from dvpt_monai.networks.pretrained.convert import convert

SIZES = {"hidden_size": 12, "mlp_dim": 24, "num_layers": 2, "num_heads": 2}
COLOURS = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def encoder(seed=0, **more):
    """A random encoder whose every tensor is far from its initial value."""
    torch.manual_seed(seed)
    network = ViTEncoder(**{"in_channels": 3, "img_size": 16, "patch_size": 8, **SIZES, **more})
    for name, value in network.named_parameters():
        if name != "depth_embedding":
            value.data = 0.3 * torch.randn_like(value) + (value.ndim == 1 and "norm" in name)
    return network.eval()


def tokens_of(network, image):
    with torch.no_grad():
        return network.eval()(image)[0]


# --- the same ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"inflation": "center"}, {"normalization": COLOURS}])
@pytest.mark.parametrize("sizes", [{}, {"spatial_dims": 3, "img_size": 16}, {"num_registers": 2, "cls_token": False}])
def test_where_nothing_changes_every_tensor_is_the_same(sizes, options):
    source, target = encoder(**sizes), encoder(1, **sizes)
    receipt = load_pretrained(target, source.state_dict(), **options)
    assert (receipt.folded, receipt.resized, receipt.inflated, receipt.missing) == ((), (), (), ())
    for key, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[key])


def test_patches_of_14_by_16_and_back_are_close():
    source = encoder(img_size=56, patch_size=14)
    sixteen = encoder(1, img_size=64, patch_size=16)
    back = encoder(2, img_size=56, patch_size=14)
    load_pretrained(sixteen, source.state_dict())
    receipt = load_pretrained(back, sixteen.state_dict())
    assert receipt.resized == ("patch kernel 16x16 -> 14x14",)
    smooth = functional.interpolate(torch.rand(2, 3, 5, 5), size=56, mode="bicubic", align_corners=True)
    expected, found = tokens_of(source, smooth), tokens_of(back, smooth)
    assert float((found - expected).norm() / expected.norm()) < 0.05
    assert not torch.allclose(found, expected, atol=1e-4), "resized, and not kept"


@pytest.mark.slow
def test_the_real_patches_of_14_by_16_and_back_are_close(backbone_file, tmp_path):
    """On smooth images the tokens move by less than a percent; what patches of 8 lose does not come back."""
    torch.manual_seed(0)
    image = functional.interpolate(torch.rand(2, 3, 40, 40), size=224, mode="bicubic", align_corners=True)
    original = ViTEncoder.from_pretrained(backbone_file, img_size=224).patch_embedding

    def moved(patch):
        path = tmp_path / f"{patch}.safetensors"
        convert(backbone_file, path, "safetensors", img_size=16 * patch, patch_size=patch)
        back = ViTEncoder.from_pretrained(path, img_size=224, patch_size=14).patch_embedding
        with torch.no_grad():
            return float((back(image) - original(image)).norm() / original(image).norm())

    assert moved(14) == 0
    assert moved(16) < 0.02
    assert moved(8) > 0.3


# --- channels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_equal_channels_in_0_to_1_are_the_grey_image_normalised(channels):
    source, target = encoder(), encoder(1, in_channels=channels)
    receipt = load_pretrained(target, source.state_dict(), normalization=COLOURS)
    of = "" if channels == 1 else f" of {channels} channels"
    assert receipt.folded == (f"3 colours and their normalisation into the patch kernel{of}",)
    assert receipt.normalization == ((0.0,) * channels, (1.0,) * channels)
    grey = torch.rand(2, 1, 16, 16)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in COLOURS)
    expected = tokens_of(source, (grey - mean) / std)
    torch.testing.assert_close(tokens_of(target, grey.expand(-1, channels, -1, -1)), expected, rtol=1e-4, atol=1e-4)


def test_colours_keep_their_normalisation_outside():
    target = encoder(1)
    receipt = load_pretrained(target, encoder().state_dict(), normalization=COLOURS)
    assert receipt.normalization == COLOURS
    assert receipt.input == "3 channels in [0, 1], minus (0.5, 0.4, 0.3), divided by (0.2, 0.3, 0.4)"
    assert load_pretrained(target, encoder().state_dict()).normalization is None, "MONAI's files do not tell"


def timm_like(channels):
    """The same network as timm names it, whose layout is of colours that were normalised as ImageNet's."""
    names = {
        "patch_embedding.patch_embeddings": "patch_embed.proj",
        "patch_embedding.position_embeddings": "pos_embed",
        "attn.out_proj": "attn.proj",
        "mlp.linear1": "mlp.fc1",
        "mlp.linear2": "mlp.fc2",
    }
    state = encoder(in_channels=channels).state_dict()
    for ours, theirs in names.items():
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    return state


@pytest.mark.parametrize("channels", [1, 13])
def test_the_normalisation_of_colours_is_not_that_of_other_channels(channels, tmp_path):
    """The layout gives three numbers; a kernel of one channel or of thirteen bands was trained with others."""
    receipt = load_pretrained(encoder(1, in_channels=channels), timm_like(channels))
    assert receipt.layout == "timm" and receipt.normalization is None
    assert receipt.input.startswith(f"{channels} channels, scaled as in the source's own training, which no file tells")
    assert "give normalization=(means, standard deviations)" in receipt.input
    own = ((0.25,) * channels, (0.5,) * channels)
    known = load_pretrained(encoder(1, in_channels=channels), timm_like(channels), normalization=own)
    assert known.normalization == own
    with pytest.raises(PretrainedError, match=rf"reads {channels} channels, the encoder 3; only colours of a known"):
        load_pretrained(encoder(), timm_like(channels))
    folder = tmp_path / "vit"
    folder.mkdir()
    torch.save(timm_like(channels), folder / "pytorch_model.bin")
    processor = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    assert load_pretrained(encoder(1, in_channels=channels), folder).normalization is None, "nor is a config's"


def test_the_normalisation_of_colours_is_that_of_three_channels():
    receipt = load_pretrained(encoder(1), timm_like(3))
    assert receipt.normalization == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert receipt.input.startswith("3 channels in [0, 1], minus (0.485, ")


@pytest.mark.parametrize("normalization", [((0.5,), (0.5,)), ((0.5,) * 3, (0.5,) * 2)])
def test_a_normalisation_of_other_channels_is_refused(normalization):
    with pytest.raises(PretrainedError, match="is not a mean and a standard deviation for each of the 3 channels"):
        load_pretrained(encoder(), encoder().state_dict(), normalization=normalization)


# --- 2D to 3D ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inflation", ["average", "center"])
def test_a_volume_constant_along_z_has_the_tokens_of_its_plane(inflation):
    # Without CLS: equal keys share what one key had, so every block gives what it gave in 2D.
    flat = encoder(cls_token=False)
    deep = ViTEncoder.from_pretrained(
        flat.state_dict(), inflation=inflation, num_heads=2, spatial_dims=3, img_size=(16, 16, 24)
    )
    how = ", its centre slice" if inflation == "center" else ""
    assert deep.receipt.inflated == (f"patch kernel 8x8 -> 8x8x8{how}", "positions 2x2 -> 2x2x3")
    plane = torch.rand(2, 3, 16, 16)
    expected = tokens_of(flat, plane).view(2, 4, 1, 12)
    volume = plane[..., None].expand(-1, -1, -1, -1, 24)
    torch.testing.assert_close(
        tokens_of(deep, volume).view(2, 4, 3, 12), expected.expand(-1, -1, 3, -1), rtol=1e-3, atol=1e-4
    )
    torch.nn.init.normal_(deep.depth_embedding)
    assert deep.depth_embedding.requires_grad
    tokens = tokens_of(deep, volume).view(2, 4, 3, 12)
    assert not torch.allclose(tokens[:, :, 0], tokens[:, :, 1], atol=1e-2), (
        "a trained depth embedding tells slabs apart"
    )


def test_the_centre_slice_alone_is_read():
    flat = encoder(cls_token=False)
    volume = torch.rand(2, 3, 16, 16, 8)
    sizes = {"num_heads": 2, "spatial_dims": 3, "img_size": (16, 16, 8)}
    expected = tokens_of(flat, volume[..., 4])
    center = ViTEncoder.from_pretrained(flat.state_dict(), inflation="center", **sizes)
    torch.testing.assert_close(tokens_of(center, volume), expected, rtol=1e-3, atol=1e-4)
    average = ViTEncoder.from_pretrained(flat.state_dict(), **sizes)
    assert not torch.allclose(tokens_of(average, volume), expected, atol=1e-2)
    torch.testing.assert_close(tokens_of(average, volume), tokens_of(flat, volume.mean(-1)), rtol=1e-3, atol=1e-4)


def test_another_inflation_is_refused_even_where_none_is_needed():
    with pytest.raises(PretrainedError, match=r"inflation must be one of \('average', 'center'\), not 'mean'"):
        load_pretrained(encoder(), encoder().state_dict(), inflation="mean")


# --- what is missing --------------------------------------------------------------------------------------------------


def without(*names):
    return {key: value for key, value in encoder().state_dict().items() if key not in names}


def test_named_tensors_may_be_missing_and_keep_their_values():
    target = encoder(1)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    source = without("norm.weight", "norm.bias", "blocks.1.mlp.linear2.bias")
    receipt = load_pretrained(target, source, allow_missing=["norm.*", "blocks.1.mlp.linear2.bias"])
    assert set(receipt.missing) == {"norm.weight", "norm.bias", "blocks.1.mlp.linear2.bias"}
    assert set(receipt.loaded) == set(source)
    for key, value in target.state_dict().items():
        assert torch.equal(value, before[key] if key in receipt.missing else source[key])
    assert "missing   3: blocks.1.mlp.linear2.bias, norm.weight, norm.bias" in str(receipt)
    assert json.loads(json.dumps(receipt.as_dict()))["counts"]["missing"] == 3


def test_names_are_those_of_the_network():
    sizes = {"in_channels": 3, "img_size": 16, "patch_size": 8, **SIZES}
    source = without("norm.weight")
    for build in (lambda **more: ViTClassifier(num_classes=2, **sizes), None):
        network = build() if build else UNETR(out_channels=2, spatial_dims=2, **{**sizes, "num_layers": 3})
        if build is None:
            source = {**source, **{k.replace(".1.", ".2."): v for k, v in source.items() if k.startswith("blocks.1.")}}
        with pytest.raises(PretrainedError, match=r"missing: vit\.norm\.weight\."):
            load_pretrained(network, source)
        receipt = load_pretrained(network, source, allow_missing=["vit.norm.weight"])
        assert receipt.missing == ("vit.norm.weight",)


@pytest.mark.parametrize(
    ("missing", "patterns", "message"),
    [
        (("norm.weight", "norm.bias"), ["norm.weight"], r"fills 28 of the encoder's 30 tensors; missing: norm\.bias\."),
        (("norm.weight",), ["norm.*", "cls_tokn"], r"'cls_tokn' matches nothing that state dict lacks \(it lacks norm"),
        ((), ["norm.*"], r"'norm\.\*' matches nothing that state dict lacks \(it lacks nothing\); correct it or take"),
        (
            ("norm.weight",),
            "norm.*",
            r"allow_missing is a list of patterns, for example \['norm\.\*'\], not 'norm\.\*'",
        ),
    ],
)
def test_what_is_not_named_or_not_missing_is_refused(missing, patterns, message):
    target = encoder(1)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(PretrainedError, match=message):
        load_pretrained(target, without(*missing), allow_missing=patterns)
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items()), "unchanged"
    assert target.receipt is None


def test_from_pretrained_takes_the_same():
    network = ViTEncoder.from_pretrained(
        without("cls_token"), cls_token=True, allow_missing=["cls_token"], normalization=COLOURS, num_heads=2
    )
    assert network.receipt.missing == ("cls_token",)
    assert network.receipt.normalization == COLOURS
