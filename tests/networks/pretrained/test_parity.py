"""The features of Hugging Face's transformers, from random weights, on disk and in memory; offline."""

import copy
import json

import pytest
import torch

from dvpt_monai import UNETR, PretrainedError, ViTEncoder

SIZES = {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 160,
    "image_size": 40,
    "patch_size": 8,
}
DINOV2 = {**SIZES, "mlp_ratio": 2}
MODELS = {
    "ViTModel": SIZES,
    "ViTModel without biases": {**SIZES, "qkv_bias": False},
    "ViTMAEModel": {**SIZES, "mask_ratio": 0.0},
    "DeiTModel": SIZES,
    "Dinov2Model": DINOV2,
    "Dinov2WithRegistersModel": {**DINOV2, "num_register_tokens": 3},
    "Dinov2Model with SwiGLU": {**DINOV2, "use_swiglu_ffn": True},
    "DINOv3ViTModel": {**SIZES, "num_register_tokens": 3},
    "DINOv3ViTModel with SwiGLU": {**SIZES, "use_gated_mlp": True, "hidden_act": "silu", "num_register_tokens": 3},
    "DINOv3ViTModel with biases of keys": {**SIZES, "key_bias": True},
    "SiglipVisionModel": SIZES,
    "CLIPVisionModel": SIZES,
    "CLIPVisionModel of LAION": {**SIZES, "hidden_act": "gelu"},
}


@pytest.fixture(scope="module")
def transformers():
    module = pytest.importorskip("transformers", reason="transformers, a test extra, is not installed")
    module.utils.logging.set_verbosity_error()
    module.utils.logging.disable_progress_bar()
    return module


def model_of(transformers, name):
    """A network with every tensor random: no bias, position or LayerScale is what it began as."""
    architecture, sizes = name.split()[0], MODELS[name]
    torch.manual_seed(0)
    config = getattr(transformers, architecture.replace("Model", "Config"))(**sizes)
    model = getattr(transformers, architecture)(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            centre = 1.0 if parameter.ndim == 1 and key.endswith("weight") else 0.0
            parameter.copy_(centre + 0.2 * torch.randn_like(parameter))
    return model


def tokens_of(model, image):
    """The normed tokens in float64."""
    with torch.no_grad():
        model = model.double()
        if type(model).__name__ == "ViTMAEModel":  # which shuffles its patches by this noise, even when it drops none
            noise = torch.arange(25.0).expand(len(image), -1)
            return model(image.double(), noise=noise).last_hidden_state
        tokens = model(image.double()).last_hidden_state
        # CLIP norms CLS alone, after the loss has taken it out of the sequence.
        return model.post_layernorm(tokens) if type(model).__name__.startswith("CLIP") else tokens


@pytest.fixture(scope="module")
def image():
    return torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))


def features(network, image):
    with torch.no_grad():
        return network.eval().double()(image.double())[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_gives_the_features_of_its_network(name, transformers, image, tmp_path):
    model = model_of(transformers, name)
    model.save_pretrained(tmp_path)
    network = ViTEncoder.from_pretrained(tmp_path)
    assert network.num_heads == 4, "the config tells, where the width would not"
    assert network.norm.eps == model.config.layer_norm_eps
    assert network.img_size == [40, 40]
    assert network.receipt.missing == ()
    ignored = {key.removeprefix("vision_model.").split(".")[0] for key in network.receipt.ignored}
    assert ignored <= {"pooler", "embeddings", "head"}
    assert (features(network, image) - tokens_of(model, image)).abs().max() < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_a_state_dict_in_memory_gives_them_too(name, transformers, image):
    model = model_of(transformers, name)
    activation = {"quick_gelu": "quick_gelu", "gelu_pytorch_tanh": "gelu_tanh"}.get(model.config.hidden_act, "gelu")
    gated = "SwiGLU" in name
    settings = {"img_size": 40} if "DINOv3" in name else {}
    network = ViTEncoder.from_pretrained(
        model.state_dict(), num_heads=4, activation="swiglu" if gated else activation, **settings
    )
    assert (features(network, image) - tokens_of(model, image)).abs().max() < 1e-5


@pytest.mark.parametrize("size", [24, (32, 64)])
@pytest.mark.parametrize(
    "name", ["ViTModel", "DeiTModel", "Dinov2Model", "Dinov2WithRegistersModel", "DINOv3ViTModel", "SiglipVisionModel"]
)
def test_at_another_size_positions_are_resized_as_its_network_does(name, size, transformers, tmp_path):
    """Of an image that is no square, too."""
    model = model_of(transformers, name)
    model.save_pretrained(tmp_path)
    height, width = (size, size) if isinstance(size, int) else size
    image = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(2))
    options = {} if name.lower().startswith("dino") else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        expected = model.double()(image.double(), **options).last_hidden_state
    network = ViTEncoder.from_pretrained(tmp_path, img_size=size)
    assert network.receipt.position_resize == ("antialias" if "Registers" in name else "plain")
    assert (features(network, image) - expected).abs().max() < 1e-5
    grown = ViTEncoder.from_pretrained(tmp_path).resize(size)
    assert (features(grown, image) - expected).abs().max() < 1e-5
    if name == "DINOv3ViTModel":  # no positions to resize
        assert network.receipt.resized == ()
        return
    other = "plain" if "Registers" in name else "antialias"
    wrong = ViTEncoder.from_pretrained(tmp_path, img_size=size, position_resize=other)
    assert (features(wrong, image) - expected).abs().max() > 1e-3


def test_the_tolerance_sees_a_wrong_activation_eps_or_number_of_heads(transformers, image):
    model = model_of(transformers, "CLIPVisionModel")
    right = {"num_heads": 4, "activation": "quick_gelu", "eps": 1e-5}
    state, expected = model.state_dict(), tokens_of(model, image)
    for wrong in ({"num_heads": 2}, {"activation": "gelu"}, {"eps": 1e-3}):
        network = ViTEncoder.from_pretrained(state, **{**right, **wrong})
        assert (features(network, image) - expected).abs().max() > 1e-4, wrong


def test_the_base_of_the_rotation_is_the_configs(transformers, image, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "DINOv3ViTModel", {**SIZES, "rope_theta": 50.0})
    model = model_of(transformers, "DINOv3ViTModel")
    model.save_pretrained(tmp_path)
    network = ViTEncoder.from_pretrained(tmp_path)
    assert network.rotary["base"] == 50.0
    assert (features(network, image) - tokens_of(model, image)).abs().max() < 1e-5
    with pytest.raises(PretrainedError, match=r"trained with rotary={'base': 50.0.*, the encoder has {'base': 100.0"):
        ViTEncoder.from_pretrained(tmp_path, rotary={})


def test_a_dinov3_goes_from_2d_to_3d_with_its_receipt(transformers, tmp_path):
    model = model_of(transformers, "DINOv3ViTModel with SwiGLU")
    model.save_pretrained(tmp_path)
    network = UNETR.from_pretrained(
        tmp_path,
        in_channels=1,
        out_channels=2,
        img_size=32,
        patch_size=8,
        feature_size=4,
        normalization=((0.5,) * 3,) * 2,
    ).eval()
    receipt = network.receipt
    assert network.vit.rotary["axes"] == 2 and network.vit.depth_embedding is not None
    assert receipt.inflated == ("patch kernel 8x8 -> 8x8x8", "rotation along the axes of the plane alone")
    assert any("normalisation into the patch kernel" in entry for entry in receipt.folded)
    with torch.no_grad():
        assert network(torch.rand(1, 1, 32, 32, 32)).isfinite().all()
    with pytest.raises(PretrainedError, match=r"trained with rotary={.*'axes': 2}, the encoder has {.*'axes': 3}"):
        UNETR.from_pretrained(tmp_path, out_channels=2, img_size=32, feature_size=4, rotary={})


def without_rotation(network):
    for block in network.blocks:
        block.attn.rotation = None


def with_gate_and_value_swapped(network):
    for block in network.blocks:
        for value in block.mlp.linear1.parameters():
            value.data = value.data.roll(len(value) // 2, 0)


def with_registers_rotated(network):
    network.rotation.first, network.rotation.end = 0, network.rotation.end - network.rotation.first


@pytest.mark.parametrize("damage", [without_rotation, with_gate_and_value_swapped, with_registers_rotated])
def test_the_tolerance_sees_a_wrong_rotation_or_gate(damage, transformers, image, tmp_path):
    model = model_of(transformers, "DINOv3ViTModel with SwiGLU")
    model.save_pretrained(tmp_path)
    network = ViTEncoder.from_pretrained(tmp_path)
    damage(network)
    assert (features(network, image) - tokens_of(model, image)).abs().max() > 1e-3


OF_2026 = ("Dinov2Model with SwiGLU", "DINOv3ViTModel with SwiGLU", "SiglipVisionModel")
KERNELS = ("projection.weight", "patch_embeddings.weight", "patch_embedding.weight")
"""Whose patches may have any size."""


@pytest.mark.parametrize("name", OF_2026)
def test_a_unetr_of_volumes_takes_it(name, transformers, tmp_path):
    model_of(transformers, name).save_pretrained(tmp_path)
    sizes = {"out_channels": 2, "img_size": 32, "patch_size": 8, "feature_size": 4}
    network = UNETR.from_pretrained(tmp_path, in_channels=3, **sizes).eval()
    assert network.receipt.inflated[0] == "patch kernel 8x8 -> 8x8x8" and network.receipt.missing == ()
    slices = UNETR.from_pretrained(tmp_path, in_channels=3, slices=True, **sizes).eval()
    assert slices.receipt.inflated == ()
    volume = torch.rand(1, 3, 32, 32, 32)
    with torch.no_grad():
        for each in (network, slices):
            output = each(volume)
            assert output.shape == (1, 2, 32, 32, 32) and output.isfinite().all()
        flat = ViTEncoder.from_pretrained(tmp_path, img_size=32, taps=(1, 2)).eval()(volume[..., 5])
        own = slices.vit(volume[..., 5])
    torch.testing.assert_close(own[0], flat[0])
    for mine, theirs in zip(own[1], flat[1], strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", OF_2026)
def test_one_tensor_that_is_renamed_transposed_missing_or_wider_is_refused(name, transformers):
    state = model_of(transformers, name).state_dict()
    known = {"num_heads": 4, **({"img_size": 40} if "DINOv3" in name else {})}
    unseen = ViTEncoder.from_pretrained(state, **known).receipt.ignored
    for key, value in state.items():
        if key in unseen:
            continue
        rest = {name: tensor for name, tensor in state.items() if name != key}
        damages = {"renamed": {**rest, f"{key}s": value}, "missing": rest}
        if not key.endswith(KERNELS):
            damages["wider"] = {**state, key: torch.cat((value, value[..., :1]), -1)}
        if value.ndim == 2 and len(value) != len(value.T):
            damages["transposed"] = {**state, key: value.T.contiguous()}
        for damage, content in damages.items():
            with pytest.raises(PretrainedError, match="state dict"):
                ViTEncoder.from_pretrained(content, **known)
                pytest.fail(f"{key} {damage}")


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("name", "count"), [("Dinov2WithRegistersModel", 43), *((name, None) for name in OF_2026)])
def test_half_precision_is_read_as_the_numbers_that_it_holds(name, count, half, transformers, image, tmp_path):
    model = model_of(transformers, name)
    copy.deepcopy(model).to(half).save_pretrained(tmp_path)
    with torch.no_grad():
        for parameter in model.parameters():  # and not the table of a rotation, which is in no file
            parameter.copy_(parameter.to(half))
    network = ViTEncoder.from_pretrained(tmp_path)
    known = f"{count} tensors" if count else ""
    assert network.receipt.converted[0].startswith(f"{str(half).removeprefix('torch.')} -> float32: {known}")
    assert len(network.receipt.converted) == 1
    assert all(value.dtype == torch.float32 for value in network.state_dict().values())
    # LayerScale is folded in float64: half precision rounds the file, and nothing after it.
    assert (features(network, image) - tokens_of(model, image)).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ["bin", "shards", "shards of bin", "prefixed", "other name"])
def test_a_folder_is_read_however_it_was_saved(kind, transformers, image, tmp_path):
    model = model_of(transformers, "ViTModel")
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.config.save_pretrained(tmp_path)
    if kind == "shards":
        model.save_pretrained(tmp_path, max_shard_size="100KB")
        assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
        assert not (tmp_path / "model.safetensors").exists()
    elif kind == "shards of bin":
        keys = sorted(state)
        parts = {"a.bin": keys[::2], "b.bin": keys[1::2]}
        for part, names in parts.items():
            torch.save({name: state[name] for name in names}, tmp_path / part)
        where = {name: part for part, names in parts.items() for name in names}
        index = tmp_path / "pytorch_model.bin.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    elif kind == "prefixed":
        torch.save({f"vit.{key}": value for key, value in state.items()}, tmp_path / "pytorch_model.bin")
    else:
        torch.save(state, tmp_path / ("pytorch_model.bin" if kind == "bin" else "epoch-12.pth"))
    network = ViTEncoder.from_pretrained(tmp_path)
    assert network.receipt.source == tmp_path.name
    assert len(network.receipt.sha256) == 64
    assert (features(network, image) - tokens_of(model, image)).abs().max() < 1e-5


def test_clip_with_its_text_tower_gives_its_image_tower(transformers, image, tmp_path):
    torch.manual_seed(0)
    text = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(vision_config=SIZES, text_config={**text, "vocab_size": 50})
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    network = ViTEncoder.from_pretrained(tmp_path)
    assert (network.activation, network.num_heads) == ("quick_gelu", 4)
    assert (features(network, image) - tokens_of(model.vision_model, image)).abs().max() < 1e-5
    deep = UNETR.from_pretrained(tmp_path, in_channels=1, out_channels=2, img_size=32, patch_size=8, feature_size=4)
    assert deep.vit.norm_pre is not None
    with torch.no_grad():
        assert deep.eval()(torch.rand(1, 1, 32, 32, 32)).isfinite().all()


def test_what_clip_does_not_tell_is_asked_for(transformers):
    state = model_of(transformers, "CLIPVisionModel").state_dict()
    with pytest.raises(PretrainedError, match=r"give num_heads=, which state dict does not tell"):
        ViTEncoder.from_pretrained(state, activation="gelu")
    with pytest.raises(PretrainedError, match=r"give activation=, .* QuickGELU \(OpenAI's CLIP\)"):
        ViTEncoder.from_pretrained(state, num_heads=4)


def test_an_encoder_against_the_config_is_refused(transformers, tmp_path):
    model_of(transformers, "CLIPVisionModel").save_pretrained(tmp_path)
    for wrong, message in (
        ({"activation": "gelu"}, "trained with activation='quick_gelu', the encoder has 'gelu'"),
        ({"num_heads": 3}, "trained with num_heads=4, the encoder has 3"),
    ):
        with pytest.raises(PretrainedError, match=message):
            ViTEncoder.from_pretrained(tmp_path, **wrong)
    with pytest.raises(PretrainedError, match=r"without a place in it: norm_pre.*activation=quick_gelu, pre_norm=True"):
        ViTEncoder.from_pretrained(tmp_path, pre_norm=False)


def test_an_oblong_grid_is_known_from_the_config(transformers, tmp_path):
    torch.manual_seed(0)
    config = transformers.ViTConfig(**{**SIZES, "image_size": (24, 40)})
    model = transformers.ViTModel(config).eval()
    model.save_pretrained(tmp_path)
    oblong = torch.randn(1, 3, 24, 40)
    network = ViTEncoder.from_pretrained(tmp_path)
    assert network.img_size == [24, 40]
    assert (features(network, oblong) - tokens_of(model, oblong)).abs().max() < 1e-5
    assert ViTEncoder.from_pretrained(tmp_path, img_size=40).receipt.resized == ("positions 3x5 -> 5x5",)
    state = model.float().state_dict()
    with pytest.raises(PretrainedError, match=r"give img_size=, .* positions that are no square or cube"):
        ViTEncoder.from_pretrained(state, num_heads=4)
    known = ViTEncoder.from_pretrained(state, num_heads=4, img_size=(24, 40))
    assert (features(known, oblong) - tokens_of(model, oblong)).abs().max() < 1e-5
    with pytest.raises(PretrainedError, match="has 15 positions, of a grid that is neither"):
        ViTEncoder.from_pretrained(state, num_heads=4, img_size=40)


@pytest.mark.parametrize(
    ("architecture", "sizes", "reason"),
    [
        ("BeitModel", {**SIZES, "use_relative_position_bias": True}, "this is a BEiT"),
        ("ResNetModel", {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1]}, "looks like a ResNet"),
        ("ConvNextModel", {"hidden_sizes": [8, 8], "depths": [1, 1], "num_stages": 2}, "looks like a ConvNeXt"),
        ("SwinModel", {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 1]}, "looks like a Swin transformer"),
    ],
)
def test_other_families_are_named(architecture, sizes, reason, transformers):
    config = getattr(transformers, architecture.replace("Model", "Config"))(**sizes)
    state = getattr(transformers, architecture)(config).state_dict()
    with pytest.raises(PretrainedError, match=f"state dict:? {reason}"):
        ViTEncoder.from_pretrained(state)


@pytest.mark.slow
def test_the_real_file_has_the_features_that_transformers_computes(backbone_file, transformers):
    source = torch.load(backbone_file, map_location="cpu", weights_only=True)
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14
    )
    model = transformers.Dinov2WithRegistersModel(config).eval()
    target = model.state_dict()
    renamed = {
        "embeddings.cls_token": "cls_token",
        "embeddings.mask_token": "mask_token",
        "embeddings.register_tokens": "register_tokens",
        "embeddings.position_embeddings": "pos_embed",
        "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
        "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
        "layernorm.weight": "norm.weight",
        "layernorm.bias": "norm.bias",
    }
    for i in range(12):
        here, there = f"encoder.layer.{i}", f"blocks.{i}"
        renamed |= {f"{here}.layer_scale{j}.lambda1": f"{there}.ls{j}.gamma" for j in (1, 2)}
        pairs = [("norm1", "norm1"), ("attention.o_proj", "attn.proj"), ("norm2", "norm2")]
        pairs += [("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")]
        renamed |= {f"{here}.{a}.{kind}": f"{there}.{b}.{kind}" for a, b in pairs for kind in ("weight", "bias")}
    filled = {theirs: source[ours] for theirs, ours in renamed.items()}
    for i in range(12):
        for kind in ("weight", "bias"):
            parts = source[f"blocks.{i}.attn.qkv.{kind}"].chunk(3)
            for letter, part in zip("qkv", parts, strict=True):
                filled[f"encoder.layer.{i}.attention.{letter}_proj.{kind}"] = part
    assert filled.keys() == target.keys()
    model.load_state_dict(filled)
    image = torch.randn(1, 3, 518, 518, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(image).last_hidden_state
        tokens = ViTEncoder.from_pretrained(backbone_file).eval()(image)[0]
    assert (tokens - expected).abs().max() < 1e-4 * expected.abs().max()
