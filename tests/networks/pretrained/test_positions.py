"""How positions go to another grid: as their authors do it, recorded in receipts, and given again to old adapters."""

import pytest
import torch
from torch.nn import functional

from dvpt_monai import (
    DVPT,
    BackboneMismatchError,
    PretrainedError,
    Receipt,
    ViTClassifier,
    ViTEncoder,
    load_adapter,
    load_pretrained,
    save_adapter,
    tune,
)
from dvpt_monai.handlers import AdapterLoader
from dvpt_monai.networks.pretrained.convert import convert
from dvpt_monai.networks.resize import resize_positions

SIZES = {"patch_size": 8, "hidden_size": 64, "mlp_dim": 48, "num_layers": 2, "num_heads": 1}
NAMES = {
    "patch_embedding.patch_embeddings": "patch_embed.proj",
    "patch_embedding.position_embeddings": "pos_embed",
    "attn.out_proj": "attn.proj",
    "mlp.linear1": "mlp.fc1",
    "mlp.linear2": "mlp.fc2",
}


def dinov2(registers=4, **sizes):
    """A random checkpoint as DINOv2's authors name it, of a grid of 5 x 5."""
    torch.manual_seed(0)
    encoder = ViTEncoder(**{"in_channels": 3, "img_size": 40, "num_registers": registers, **SIZES, **sizes})
    state = encoder.state_dict()
    for ours, theirs in NAMES.items():
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    for i in range(2):
        state |= {f"blocks.{i}.ls{j}.gamma": torch.ones(64) for j in (1, 2)}
    return state | {"mask_token": torch.zeros(1, 64)}


def positions_of(network):
    return network.state_dict()["patch_embedding.position_embeddings"][0]


def interpolated(state, **options):
    grid = state["pos_embed"].double().view(1, 5, 5, 64).permute(0, 3, 1, 2)
    return functional.interpolate(grid, mode="bicubic", **options).permute(0, 2, 3, 1).reshape(-1, 64).float()


def test_dinov2_without_registers_samples_a_grid_that_is_a_tenth_larger():
    state = dinov2(registers=0)
    network = ViTEncoder.from_pretrained(state, img_size=(24, 32))
    assert network.receipt.layout == "dinov2"
    assert network.receipt.resized == ("positions 5x5 -> 3x4, offset by 0.1",)
    assert torch.equal(positions_of(network), interpolated(state, scale_factor=[3.1 / 5, 4.1 / 5]))
    assert not torch.allclose(positions_of(network), interpolated(state, size=(3, 4)), atol=1e-4)


def test_dinov2_with_registers_antialiases():
    state = dinov2()
    network = ViTEncoder.from_pretrained(state, img_size=(24, 32))
    assert network.receipt.resized == ("positions 5x5 -> 3x4, antialiased",)
    assert torch.equal(positions_of(network), interpolated(state, size=(3, 4), antialias=True))
    assert not torch.allclose(positions_of(network), interpolated(state, size=(3, 4)), atol=1e-4)


@pytest.mark.parametrize("how", ["plain", "antialias", "offset"])
def test_a_way_may_be_chosen_and_is_kept(how, tmp_path):
    """By the receipt, by what resize does later, and by a converted file."""
    network = ViTEncoder.from_pretrained(dinov2(), img_size=24, position_resize=how)
    assert Receipt.from_dict(network.receipt.as_dict()).position_resize == how
    whole = ViTEncoder.from_pretrained(dinov2(), position_resize=how)
    assert torch.equal(positions_of(whole.resize(24)), positions_of(network))
    convert(dinov2(), tmp_path / "vit.safetensors", "safetensors", position_resize=how)
    again = ViTEncoder.from_pretrained(tmp_path / "vit.safetensors", img_size=24)
    assert again.receipt.position_resize == how
    assert torch.equal(positions_of(again), positions_of(network))


def test_an_unknown_way_is_refused(unchanged):
    network = ViTEncoder(in_channels=3, img_size=24, num_registers=4, **SIZES)
    with unchanged(network), pytest.raises(PretrainedError, match=r"must be one of \('plain', .*, not 'nearest'"):
        load_pretrained(network, dinov2(), position_resize="nearest")
    with pytest.raises(ValueError, match="2D grid cannot be resized 'nearest'"):
        resize_positions(torch.rand(1, 4, 2), (2, 2), (3, 3), "nearest")


def test_volumes_know_one_way():
    cube = ViTEncoder(in_channels=1, img_size=16, spatial_dims=3, **SIZES)
    assert ViTEncoder.from_pretrained(cube.state_dict(), num_heads=1).receipt.position_resize == "plain"
    with pytest.raises(PretrainedError, match=r"must be one of \('plain',\) for the 3D positions"):
        load_pretrained(cube, cube.state_dict(), position_resize="antialias")
    with pytest.raises(ValueError, match="3D grid cannot be resized 'antialias'"):
        resize_positions(torch.rand(1, 8, 2), (2, 2, 2), (3, 3, 3), "antialias")


def test_a_plane_goes_to_a_volume_as_to_a_plane_and_is_resized_there_as_volumes_are():
    flat = ViTEncoder.from_pretrained(dinov2(), img_size=24)
    deep = ViTEncoder.from_pretrained(dinov2(), img_size=(24, 24, 16), spatial_dims=3)
    slices = positions_of(deep).view(9, 2, 64)
    assert torch.equal(slices[:, 0], positions_of(flat)) and torch.equal(slices[:, 1], positions_of(flat))
    assert deep.resize((16, 16, 16)).grid == [2, 2, 2]


# --- adapters ---------------------------------------------------------------------------------------------------------


def test_a_receipt_that_does_not_say_is_of_a_release_that_knew_one_way():
    receipt = ViTEncoder.from_pretrained(dinov2(), img_size=24).receipt.as_dict()
    assert receipt.pop("position_resize") == "antialias"
    assert Receipt.from_dict(receipt).position_resize == "plain"


@pytest.mark.parametrize("how", ["plain", "antialias"])
def test_an_adapter_finds_the_positions_that_it_was_trained_on(how, tmp_path):
    source, path = tmp_path / "backbone.pt", tmp_path / "adapter.safetensors"
    torch.save(dinov2(), source)
    arguments = {"num_classes": 2, "img_size": 24}
    trained = tune(ViTClassifier.from_pretrained(source, position_resize=how, **arguments), DVPT())
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    save_adapter(trained, path)
    image = torch.rand(2, 3, 24, 24)
    network = ViTClassifier.from_pretrained(source, **arguments)
    AdapterLoader(network, path, str(source))(None)
    assert torch.equal(network.eval()(image), trained.eval()(image))

    other = "plain" if how == "antialias" else "antialias"
    elsewhere = ViTClassifier.from_pretrained(source, position_resize=other, **arguments)
    with pytest.raises(BackboneMismatchError, match=r"position_embeddings differs .*with the position_resize there"):
        load_adapter(elsewhere, path)
