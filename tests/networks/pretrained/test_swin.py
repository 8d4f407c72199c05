"""MONAI's SwinUNETR from MONAI's own checkpoints: random ones in the published layouts, read as MONAI reads them."""

import json
import re

import pytest
import torch
from monai.networks.nets.swin_unetr import SwinUNETR, filter_swinunetr
from monai.networks.utils import copy_model_state

from dvpt_monai import FullFineTuning, PretrainedError, ViTEncoder, load_pretrained, read_header, save_adapter, tune

SIZES = {"in_channels": 1, "feature_size": 12, "depths": (1, 2, 1, 1), "num_heads": (1, 2, 2, 4), "window_size": 3}
ENCODER = "swinViT."


def swin(seed=0, **more):
    torch.manual_seed(seed)
    network = SwinUNETR(**{"out_channels": 2, **SIZES, **more})
    for value in network.parameters():
        value.data = 0.2 * torch.randn_like(value)
    return network.eval()


def encoder_of(network):
    state = network.state_dict()
    return {key.removeprefix(ENCODER): value for key, value in state.items() if key.startswith(ENCODER)}


HEADS = {
    "norm.weight": torch.rand(192),
    "rotation_head.weight": torch.rand(4, 192),
    "contrastive_head.bias": torch.rand(512),
    "convTrans3d.weight": torch.rand(192, 1, 2, 2, 2),
}


def ssl(network, prefix="module."):
    """model_swinvit.pt: the encoder and the heads of its pre-training, in a wrapper of DDP."""
    state = {re.sub(r"mlp\.linear([12])", r"mlp.fc\1", key): value for key, value in encoder_of(network).items()}
    return {"epoch": 7, "state_dict": {prefix + key: value for key, value in (state | HEADS).items()}, "optimizer": {}}


def disruptive(network):
    """ssl_pretrained_weights.pth: the encoder of an autoencoder, its stages nested once more."""
    state = {re.sub(r"^(layers\d\.0\.)", r"encoder.\g<1>0.", key): value for key, value in encoder_of(network).items()}
    state = {re.sub(r"^patch_embed", "encoder.patch_embed", key): value for key, value in state.items()}
    rest = {"encoder.mask_token": torch.rand(1, 12), "encoder.norm.weight": torch.rand(192), "decoder.0.bias": HEADS}
    return {"model": state | {key: torch.rand(2) if value is HEADS else value for key, value in rest.items()}}


def btcv(network):
    """swin_unetr.*_pretrained.pt: the whole network."""
    return {"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}


def unchanged(network, before):
    return all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def copied(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


# --- as MONAI reads them ----------------------------------------------------------------------------------------------


def test_the_ssl_file_fills_the_encoder_as_monai_does(tmp_path):
    path = tmp_path / "model_swinvit.pt"
    torch.save(ssl(swin()), path)
    ours, theirs = swin(1), swin(1)
    theirs.load_from(torch.load(path, weights_only=True))
    before = copied(ours)
    receipt = load_pretrained(ours, path)
    assert ours.receipt is receipt
    assert unchanged(ours, theirs.state_dict())
    assert set(receipt.loaded) == {key for key in before if key.startswith(ENCODER)}
    assert set(receipt.ignored) == {f"module.{key}" for key in HEADS}
    assert (receipt.layout, receipt.missing, len(receipt.sha256)) == ("swin", (), 64)
    assert any(not torch.equal(value, before[key]) for key, value in ours.state_dict().items())


def test_the_autoencoder_fills_the_encoder_as_monai_does():
    content, ours, theirs = disruptive(swin()), swin(1), swin(1)
    state, loaded, _ = copy_model_state(theirs, content["model"], filter_func=filter_swinunetr)
    receipt = load_pretrained(ours, content)
    assert unchanged(ours, state)
    assert set(receipt.loaded) == set(loaded)
    assert set(receipt.ignored) == {"encoder.mask_token", "encoder.norm.weight", "decoder.0.bias"}


@pytest.mark.parametrize("prefix", ["", "swin_vit.", "module.swin_vit.", "swinViT.", "backbone.swinViT."])
def test_a_pre_training_of_ones_own_is_read_under_all_its_names(prefix):
    source, target = swin(), swin(1)
    load_pretrained(target, ssl(source, prefix))
    assert all(torch.equal(value, encoder_of(target)[key]) for key, value in encoder_of(source).items())


@pytest.mark.parametrize("wrapped", [btcv, lambda network: network.state_dict()])
def test_the_whole_network_comes_back(wrapped):
    source, target = swin(), swin(1)
    receipt = load_pretrained(target, wrapped(source))
    assert unchanged(target, source.state_dict())
    assert set(receipt.loaded) == source.state_dict().keys()
    assert (receipt.ignored, receipt.missing) == ((), ())


def test_other_classes_leave_the_last_layer_alone():
    source, target = swin(), swin(1, out_channels=5)
    last = target.out.conv.conv.weight.clone()
    receipt = load_pretrained(target, btcv(source))
    assert receipt.ignored == ("module.out.conv.conv.weight", "module.out.conv.conv.bias")
    assert torch.equal(target.out.conv.conv.weight, last)
    assert torch.equal(target.decoder1.transp_conv.conv.weight, source.decoder1.transp_conv.conv.weight)


def test_half_precision_is_widened_and_said():
    source, target = swin(), swin(1)
    half = {
        key: value.bfloat16() if value.is_floating_point() else value
        for key, value in ssl(source)["state_dict"].items()
    }
    receipt = load_pretrained(target, half)
    assert receipt.converted == ("bfloat16 -> float32: 79 tensors",)
    assert torch.equal(
        target.swinViT.patch_embed.proj.weight, source.swinViT.patch_embed.proj.weight.bfloat16().float()
    )
    whole = {key: value.int() for key, value in half.items()}
    refused(swin(1), whole, "swinViT.patch_embed.proj.weight is torch.int32; give weights that are not quantised")


def test_a_file_with_two_networks_names_them():
    content = {"student": ssl(swin()), "ema": {"model": btcv(swin(1))}}
    refused(swin(2), content, r"holds several SwinUNETRs: student\.state_dict, ema\.model\.state_dict; give the state")
    refused(swin(2), {"epoch": 3}, "is no checkpoint of MONAI's SwinUNETR; it holds no tensors")


def test_planes_work_too():
    ours, theirs, image = swin(1, spatial_dims=2), swin(1, spatial_dims=2), torch.rand(1, 1, 64, 64)
    theirs.load_from(ssl(swin(spatial_dims=2)))
    with torch.no_grad():
        before = ours(image)
        load_pretrained(ours, ssl(swin(spatial_dims=2)))
        assert torch.equal(ours(image), theirs(image))
        assert not torch.equal(ours(image), before)


def test_the_receipt_goes_into_the_adapter(tmp_path):
    target = swin(1)
    receipt = load_pretrained(target, ssl(swin()))
    save_adapter(tune(target, FullFineTuning(), train=["out.*"]), tmp_path / "swin.safetensors")
    found = read_header(tmp_path / "swin.safetensors")["backbone"]["receipt"]
    assert found == json.loads(json.dumps(receipt.as_dict()))
    assert found["counts"]["loaded"] == len(encoder_of(target))
    assert "loaded    84 tensors" in str(receipt) and "ignored   4: module.norm.weight, module.rot" in str(receipt)


# --- refusals ---------------------------------------------------------------------------------------------------------

FITS = (
    r"Arguments that fit: spatial_dims=3, in_channels=1, feature_size=12, patch_size=2, depths=\(1, 2, 1, 1\), "
    r"num_heads=\(1, 2, 2, 4\), window_size=3, qkv_bias=True, patch_norm=False, use_v2=False"
)


def refused(network, source, message, **options):
    before = copied(network)
    with pytest.raises(PretrainedError, match=message):
        load_pretrained(network, source, **options)
    assert unchanged(network, before)
    assert not hasattr(network, "receipt")


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ({"feature_size": 24}, r"patch_embed.proj.weight \(12, 1, 2, 2, 2\), not \(24, 1, 2, 2, 2\)"),
        ({"in_channels": 4}, r"fills 83 of the encoder's 84 tensors; .*\(12, 1, 2, 2, 2\), not \(12, 4, 2, 2, 2\)"),
        ({"spatial_dims": 2}, r"patch_embed.proj.weight \(12, 1, 2, 2, 2\), not \(12, 1, 2, 2\)"),
        ({"window_size": 4}, r"relative_position_bias_table \(125, 1\), not \(343, 1\)"),
        (
            {"num_heads": (1, 1, 2, 4)},
            r"layers2.0.blocks.0.attn.relative_position_bias_table \(125, 2\), not \(125, 1\)",
        ),
        ({"depths": (1, 2, 2, 1)}, "missing: swinViT.layers3.0.blocks.1.norm1.weight"),
        ({"depths": (1, 1, 1, 1)}, "without a place in it: swinViT.layers2.0.blocks.1.norm1.weight"),
        ({"use_v2": True}, "missing: swinViT.layers1c.0."),
        ({"patch_norm": True}, "missing: swinViT.patch_embed.norm.weight"),
        ({"qkv_bias": False}, "without a place in it: swinViT.layers1.0.blocks.0.attn.qkv.bias"),
    ],
)
@pytest.mark.parametrize("layout", [ssl, btcv])
def test_a_network_of_other_sizes_is_told_what_would_fit(layout, sizes, problem):
    refused(swin(1, **sizes), layout(swin()), rf"{problem}.*{FITS}")


def test_an_encoder_that_lacks_any_one_tensor_is_refused_by_name():
    target, content = swin(1), ssl(swin())["state_dict"]
    for key in encoder_of(target):
        rest = {name: value for name, value in content.items() if name != "module." + key.replace("linear", "fc")}
        assert len(rest) == len(content) - 1
        if key.endswith("relative_position_index"):  # which follows from the window
            load_pretrained(swin(1), rest)
        else:
            refused(target, rest, rf"missing: {ENCODER}{key}|is no checkpoint of MONAI's SwinUNETR")


def test_convolutions_of_version_2_may_be_missing_if_named():
    target = swin(1, use_v2=True)
    before = copied(target)
    receipt = load_pretrained(target, ssl(swin()), allow_missing=["swinViT.layers?c.*"])
    assert set(receipt.missing) == {key for key in before if re.match(r"swinViT\.layers\dc\.", key)}
    assert all(torch.equal(target.state_dict()[key], before[key]) for key in receipt.missing)
    refused(swin(1), ssl(swin()), "'swinViT.layers.c.*' matches nothing", allow_missing=["swinViT.layers?c.*"])


def test_files_of_other_families_are_refused():
    vit = ViTEncoder(in_channels=1, img_size=16, patch_size=8, hidden_size=12, mlp_dim=24, num_layers=1, num_heads=2)
    refused(swin(), vit.state_dict(), "is no checkpoint of MONAI's SwinUNETR; it holds blocks.0")
    flat = {"patch_embed.proj.weight": torch.rand(8, 3, 4, 4), "layers.0.blocks.0.attn.qkv.weight": torch.rand(24, 8)}
    refused(swin(), flat, "is no checkpoint of MONAI's SwinUNETR; it holds layers.0")
    with pytest.raises(PretrainedError, match="looks like a Swin transformer"):
        load_pretrained(vit, ssl(swin()))


@pytest.mark.parametrize("options", [{"inflation": "center"}, {"normalization": ((0.0,), (1.0,))}])
def test_what_does_nothing_to_it_is_refused(options):
    refused(swin(1), ssl(swin()), "SwinUNETR takes files of its own size", **options)
