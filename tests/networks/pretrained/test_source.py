"""Where weights come from: files of every container, folders as hubs lay them out, and what their configs tell."""

import argparse
import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dvpt_monai import PretrainedError, ViTEncoder
from dvpt_monai.networks.pretrained.config import Config
from dvpt_monai.networks.pretrained.source import read_source

WIDTH = 96  # no published network's


def checkpoint(clip=False):
    """A vision transformer of one block in timm's layout, on a grid of 3 x 2."""
    shapes = {"cls_token": (1, 1, WIDTH), "pos_embed": (1, 7, WIDTH), "patch_embed.proj.weight": (WIDTH, 3, 4, 4)}
    for name, out, into in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 2, 1), ("mlp.fc2", 1, 2)):
        shapes |= {f"blocks.0.{name}.weight": (out * WIDTH, into * WIDTH), f"blocks.0.{name}.bias": (out * WIDTH,)}
    for name in ("blocks.0.norm1", "blocks.0.norm2", "norm", *(["norm_pre"] if clip else [])):
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    if not clip:
        shapes["patch_embed.proj.bias"] = (WIDTH,)
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}


SIZE = {"img_size": (12, 8), "num_heads": 3}


def written(folder, state, **files):
    """A folder with weights and, under the names of ``files`` with a suffix .json, what is given for them."""
    folder.mkdir(exist_ok=True)
    save_file(state, folder / "model.safetensors")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vit.pt", "vit.pth", "pytorch_model.bin", "vit.safetensors", "renamed.bin"])
def test_a_file_is_read_whatever_it_is_called(name, tmp_path):
    state, path = checkpoint(), tmp_path / name
    save_file(state, path) if name in ("vit.safetensors", "renamed.bin") else torch.save({"model": state}, path)
    network = ViTEncoder.from_pretrained(path, **SIZE)
    assert torch.equal(network.blocks[0].attn.qkv.weight, state["blocks.0.attn.qkv.weight"])
    assert network.receipt.source == name
    assert network.receipt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_options_of_a_training_run_do_not_keep_its_weights_from_loading(tmp_path):
    torch.save({"model": checkpoint(), "args": argparse.Namespace(lr=1e-3, name="mae")}, tmp_path / "mae.pth")
    assert ViTEncoder.from_pretrained(tmp_path / "mae.pth", **SIZE).receipt.missing == ()


class Strange:
    pass


def test_an_object_of_another_class_is_refused_by_its_name(tmp_path):
    path = tmp_path / "lightning.ckpt"
    torch.save({"state_dict": checkpoint(), "hyper_parameters": Strange()}, path)
    with pytest.raises(
        PretrainedError, match=r"ckpt cannot be read as weights alone \(it holds .*Strange, which is code"
    ):
        ViTEncoder.from_pretrained(path, **SIZE)


@pytest.mark.filterwarnings("ignore:'torch.load' received a zip file that looks like a TorchScript archive")
def test_a_torchscript_program_is_refused(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "ViT-B-32.pt")
    with pytest.raises(PretrainedError, match=r"ViT-B-32.pt cannot be read .* \(it is a TorchScript program\)"):
        ViTEncoder.from_pretrained(tmp_path / "ViT-B-32.pt", **SIZE)


def test_a_file_that_is_no_archive_at_all_is_refused(tmp_path):
    whole = tmp_path / "whole.safetensors"
    save_file(checkpoint(), whole)
    content = whole.read_bytes()
    for name, data in {
        "cut.safetensors": content[:-100],
        "cut.bin": content[:1000],
        "photograph.pt": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "zeros.pth": bytes(4096),
        "weights.npz": b"PK\x05\x06" + bytes(18),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PretrainedError, match=f"{name} cannot be read as weights alone"):
            ViTEncoder.from_pretrained(tmp_path / name, **SIZE)


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_a_file_cut_anywhere_is_refused(container, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut.pt"
    if container == "safetensors":
        save_file(checkpoint(), whole)
    else:
        torch.save(checkpoint(), whole, _use_new_zipfile_serialization=container == "zip")
    content = whole.read_bytes()
    for part in range(20):
        cut.write_bytes(content[: len(content) * part // 20])
        with pytest.raises(PretrainedError, match=r"cut.pt (cannot be read as weights alone|holds)"):
            ViTEncoder.from_pretrained(cut, **SIZE)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_prefers_what_hubs_write_and_says_what_it_needs(tmp_path):
    with pytest.raises(PretrainedError, match=r"holds none of model.safetensors, .* and no weights"):
        read_source(tmp_path)
    torch.save(checkpoint(), tmp_path / "a.pt")
    assert read_source(tmp_path).content.keys() == checkpoint().keys()
    torch.save(checkpoint(), tmp_path / "b.pt")
    with pytest.raises(PretrainedError, match=r"several other files: a.pt, b.pt; name one"):
        read_source(tmp_path)
    save_file({"only": torch.ones(1)}, tmp_path / "model.safetensors")
    assert read_source(str(tmp_path)).content.keys() == {"only"}


def shards(folder, state, **change):
    keys = sorted(state)
    for name, part in {"1.safetensors": keys[:5], "2.safetensors": keys[5:]}.items():
        save_file({key: state[key] for key in part}, folder / name)
    where = {key: "1.safetensors" if key in keys[:5] else "2.safetensors" for key in keys} | change
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def test_shards_are_read_as_one_with_the_hash_of_their_concatenation(tmp_path):
    shards(tmp_path, checkpoint())
    network = ViTEncoder.from_pretrained(tmp_path, **SIZE)
    parts = b"".join((tmp_path / f"{i}.safetensors").read_bytes() for i in (1, 2))
    assert network.receipt.sha256 == hashlib.sha256(parts).hexdigest()
    (tmp_path / "2.safetensors").unlink()
    with pytest.raises(PretrainedError, match=r"names 2.safetensors, which is not beside it"):
        ViTEncoder.from_pretrained(tmp_path, **SIZE)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/hostname", "sub/x.safetensors"])
def test_shards_lie_beside_their_index(name, tmp_path):
    folder = tmp_path / "inside"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "outside.safetensors", folder / "sub" / "x.safetensors"):
        save_file({"stolen": torch.ones(1)}, path)
    shards(folder, checkpoint(), stolen=name)
    with pytest.raises(PretrainedError, match=f"names {name}, which is not beside it"):
        read_source(folder)


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": ["a"]}'])
def test_an_index_that_names_nothing_is_refused(index, tmp_path):
    (tmp_path / "pytorch_model.bin.index.json").write_text(index)
    with pytest.raises(PretrainedError, match=r"is no JSON|holds list, not an object|names no files"):
        read_source(tmp_path)


# --- configs ----------------------------------------------------------------------------------------------------------

PROCESSOR = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
MEAN_STD = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_a_hugging_face_folder_tells_heads_eps_activation_image_and_normalisation(tmp_path):
    config = {"num_attention_heads": 4, "layer_norm_eps": 1e-3, "hidden_act": "quick_gelu", "image_size": [12, 8]}
    folder = written(tmp_path / "vit", checkpoint(), config=config, preprocessor_config=PROCESSOR)
    assert read_source(folder).config == Config(4, 1e-3, "quick_gelu", MEAN_STD, (12, 8))
    network = ViTEncoder.from_pretrained(folder)
    assert (network.num_heads, network.norm.eps, network.activation) == (4, 1e-3, "quick_gelu")
    assert network.img_size == [12, 8]
    assert network.receipt.input.endswith("minus (0.1, 0.2, 0.3), divided by (0.4, 0.5, 0.6)")
    # a vector of positions that 6 patches and CLS share is known to be no CLS and 7 patches
    assert network.receipt.folded == ("position of CLS into cls_token",)


@pytest.mark.parametrize(
    ("architecture", "activation"),
    [("vit_base_patch32_clip_quickgelu_224", "quick_gelu"), ("vit_base_patch32_clip_224", "gelu")],
)
def test_a_timm_folder_tells_activation_and_normalisation(architecture, activation, tmp_path):
    told = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 12, 8]}
    config = {"architecture": architecture, "pretrained_cfg": told}
    network = ViTEncoder.from_pretrained(written(tmp_path / "vit", checkpoint(clip=True), config=config), num_heads=3)
    assert (network.activation, network.norm.eps, network.img_size) == (activation, 1e-5, [12, 8])
    assert network.receipt.input.endswith("minus (0.1, 0.2, 0.3), divided by (0.4, 0.5, 0.6)")
    assert not network.patch_embedding.patch_embeddings.bias.any()


@pytest.mark.parametrize(("quick", "activation"), [({"quick_gelu": True}, "quick_gelu"), ({}, "gelu")])
def test_an_open_clip_folder_tells_heads_activation_and_normalisation(quick, activation, tmp_path):
    vision = {"width": 96, "head_width": 16, "image_size": [12, 8]}
    processor = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    config = {"model_cfg": {"vision_cfg": vision, **quick}, "preprocess_cfg": processor}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 12}))  # of the same network elsewhere
    torch.save(checkpoint(), tmp_path / "open_clip_pytorch_model.bin")
    assert read_source(tmp_path).config == Config(6, None, activation, MEAN_STD, (12, 8))


def test_biomedclips_folder_leaves_its_trunk_to_timm(tmp_path):
    vision = {"timm_model_name": "vit_base_patch16_224", "image_size": 224}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"vision_cfg": vision}}))
    torch.save(checkpoint(), tmp_path / "open_clip_pytorch_model.bin")
    assert read_source(tmp_path).config == Config(image=224)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "config.json is no JSON"),
        ("[1]", "config.json holds list, not an object"),
        ({"num_attention_heads": "many"}, "is none of a vision transformer .*many"),
        ({"vision_config": 3}, "is none of a vision transformer"),
        ({"pretrained_cfg": {"mean": 0.5, "std": 0.5}}, "is none of a vision transformer"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'; the encoder has gelu, quick_gelu"),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused(config, message, tmp_path):
    folder = written(tmp_path / "vit", checkpoint(), config=config)
    with pytest.raises(PretrainedError, match=message):
        ViTEncoder.from_pretrained(folder, **SIZE)


def test_a_folder_without_a_config_is_read_as_its_file(tmp_path):
    folder = written(tmp_path / "vit", checkpoint())
    assert read_source(folder).config == Config()
    assert ViTEncoder.from_pretrained(folder, **SIZE).num_heads == 3
