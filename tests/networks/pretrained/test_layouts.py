"""Every layout against the formula of its network, written here a second time, from a file made as its authors do."""

import json
import re
from pathlib import Path

import pytest
import torch
from monai.networks.nets import UNETR as MonaiUNETR
from monai.networks.nets import ViT as MonaiViT
from monai.networks.nets import ViTAutoEnc
from torch.nn import functional

from dvpt_monai import UNETR, PretrainedError, ViTClassifier, ViTEncoder, load_pretrained
from dvpt_monai.networks.pretrained import layouts
from dvpt_monai.networks.pretrained.families import family
from dvpt_monai.networks.pretrained.layouts import LAYOUTS

SIDE, PATCH, DEPTH = 3, 4, 2
IMAGENET = "minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)"
OF_CLIP = "minus (0.48145466, 0.4578275, 0.40821073), divided by (0.26862954, 0.26130258, 0.27577711)"


def network(width=128, registers=0, scale=False, pre_norm=False, biases=True, gated=False, key_bias=True, inner=False):
    """A vision transformer as plain tensors, under no project's names: queries, keys and values apart."""
    random = torch.Generator().manual_seed(0)

    def tensor(*shape, std=0.1):
        return torch.randn(*shape, generator=random) * std

    def norm():
        return {"weight": 1 + tensor(width), "bias": tensor(width)}

    def linear(out, into, bias=True):
        return {"weight": tensor(out, into), **({"bias": tensor(out)} if bias else {})}

    return {
        "cls": tensor(width),
        "registers": tensor(registers, width),
        "positions": tensor(SIDE**2, width),
        "kernel": tensor(width, 3, PATCH, PATCH),
        "bias": tensor(width) if not pre_norm else torch.zeros(width),
        "pre_norm": norm() if pre_norm else None,
        "blocks": [
            {
                "norm1": norm(),
                **{part: linear(width, width, biases and (part != "k" or key_bias)) for part in "qkv"},
                "out": linear(width, width),
                "gamma1": tensor(width, std=1) if scale else torch.ones(width),
                "norm2": norm(),
                **(
                    {"attn_norm": norm(), "mlp_norm": {part: norm()[part].repeat(2) for part in ("weight", "bias")}}
                    if inner
                    else {}
                ),
                **({"gate": linear(2 * width, width)} if gated else {}),
                "up": linear(2 * width, width),
                "down": linear(width, 2 * width),
                "gamma2": tensor(width, std=1) if scale else torch.ones(width),
            }
            for _ in range(DEPTH)
        ],
        "norm": norm(),
    }


def turned(x, first, base=100.0):
    """Queries or keys (B, H, N, d) with each pair of channels turned by the angle of its patch, as complex numbers."""
    d = x.shape[-1]
    along = torch.tensor([2 * (i + 0.5) / SIDE - 1 for i in range(SIDE)], dtype=torch.float64)
    periods = torch.tensor([base ** (2 * j / (d / 2)) for j in range(d // 4)], dtype=torch.float64)
    rows = [torch.cat((y / periods, z / periods)) for y in along for z in along]
    turn = torch.polar(torch.ones(SIDE**2, d // 2, dtype=torch.float64), 2 * torch.pi * torch.stack(rows))
    patches = torch.complex(x[..., first:, : d // 2].contiguous(), x[..., first:, d // 2 :].contiguous()) * turn
    return torch.cat((x[..., :first, :], torch.cat((patches.real, patches.imag), -1)), -2)


def turned_on_16(x, first):
    """The same as in EVA-02: neighbours are a pair, and coordinates those of a grid of 16 patches."""
    d = x.shape[-1]
    along = torch.tensor([i * 16 / SIDE for i in range(SIDE)], dtype=torch.float64)
    periods = torch.tensor([10000 ** (j / (d / 4)) for j in range(d // 4)], dtype=torch.float64)
    rows = [torch.cat((y / periods, z / periods)) for y in along for z in along]
    turn = torch.polar(torch.ones(SIDE**2, d // 2, dtype=torch.float64), torch.stack(rows))
    patches = torch.view_as_complex(x[..., first:, :].unflatten(-1, (-1, 2)).contiguous()) * turn
    return torch.cat((x[..., :first, :], torch.view_as_real(patches).flatten(-2)), -2)


def features(net, image, heads, eps=1e-6, activation="gelu", rotary=None):
    """Its tokens, in float64: CLS, registers, patches."""

    def double(value):
        if isinstance(value, dict):
            return {key: double(entry) for key, entry in value.items()}
        return [double(entry) for entry in value] if isinstance(value, list) else value.double()

    def norm(x, part):
        deviation = torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + eps)
        return (x - x.mean(-1, keepdim=True)) / deviation * part["weight"] + part["bias"]

    def linear(x, part):
        return x @ part["weight"].T + part.get("bias", 0)

    net = double({key: value for key, value in net.items() if value is not None})
    x = functional.conv2d(image.double(), net["kernel"], net["bias"], stride=PATCH).flatten(2).transpose(1, 2)
    x = x if rotary is turned else x + net["positions"]
    prefix = torch.cat((net["cls"][None], net["registers"]))
    x = torch.cat((prefix.expand(len(x), -1, -1), x), 1) if activation != "tanh" else x
    if "pre_norm" in net:
        x = norm(x, net["pre_norm"])
    for block in net["blocks"]:
        y = norm(x, block["norm1"])
        q, k, v = (linear(y, block[part]).unflatten(-1, (heads, -1)).transpose(1, 2) for part in "qkv")
        q, k = (rotary(part, len(prefix)) for part in (q, k)) if rotary else (q, k)
        weights = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)
        y = (weights @ v).transpose(1, 2).flatten(2)
        y = norm(y, block["attn_norm"]) if "attn_norm" in block else y
        x = x + block["gamma1"] * linear(y, block["out"])
        y = linear(norm(x, block["norm2"]), block["up"])
        if "gate" in block:
            gate = linear(norm(x, block["norm2"]), block["gate"])
            y = y * gate * torch.sigmoid(gate)
        elif activation == "quick":
            y = y * torch.sigmoid(1.702 * y)
        elif activation == "tanh":
            y = y * 0.5 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
        else:
            y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
        y = norm(y, block["mlp_norm"]) if "mlp_norm" in block else y
        x = x + block["gamma2"] * linear(y, block["down"])
    return norm(x, net["norm"])


def flat(prefix, part):
    return {f"{prefix}.{kind}": value for kind, value in part.items()}


def packed(block):
    return {kind: torch.cat([block[part][kind] for part in "qkv"]) for kind in block["q"]}


def timm(net, scale=False, slots="cls", registers="reg_token", norm="norm", chunk=None, patch_bias=True):
    """timm's names; with ``slots``, what CLS (and registers) have among the positions is taken out of the tokens."""
    random = torch.Generator().manual_seed(1)
    width = len(net["cls"])
    count = {"none": 0, "cls": 1, "all": 1 + len(net["registers"])}[slots]
    own = torch.randn(count, width, generator=random)
    tokens = torch.cat((net["cls"][None], net["registers"]))
    tokens = torch.cat((tokens[:count] - own, tokens[count:]))
    state = {"cls_token": tokens[None, :1], "pos_embed": torch.cat((own, net["positions"]))[None]}
    if len(net["registers"]):
        state[registers] = tokens[None, 1:]
    state["patch_embed.proj.weight"] = net["kernel"]
    if patch_bias:
        state["patch_embed.proj.bias"] = net["bias"]
    if net["pre_norm"]:
        state |= flat("norm_pre", net["pre_norm"])
    for i, block in enumerate(net["blocks"]):
        path = f"blocks.{i}" if chunk is None else f"blocks.{i // chunk}.{i}"
        state |= flat(f"{path}.norm1", block["norm1"]) | flat(f"{path}.attn.qkv", packed(block))
        state |= flat(f"{path}.attn.proj", block["out"]) | flat(f"{path}.norm2", block["norm2"])
        state |= flat(f"{path}.mlp.fc1", block["up"]) | flat(f"{path}.mlp.fc2", block["down"])
        if scale:
            state |= {f"{path}.ls1.gamma": block["gamma1"], f"{path}.ls2.gamma": block["gamma2"]}
    return state | flat(norm, net["norm"])


def gated(block, gate="mlp.w1", value="mlp.w2", down="mlp.w3", both=None):
    """The names of a SwiGLU: apart, or side by side."""
    if both is None:
        return flat(gate, block["gate"]) | flat(value, block["up"]) | flat(down, block["down"])
    side = {kind: torch.cat((block["gate"][kind], block["up"][kind])) for kind in ("weight", "bias")}
    return flat(both, side) | flat(down, block["down"])


def swiglu(net, both="mlp.fc1", down="mlp.fc2", **names):
    """timm's names with SwiGLU in the place of fc1 and fc2; timm packs its gate, DINOv2 calls it otherwise."""
    state = {key: value for key, value in timm(net, **names).items() if ".mlp." not in key}
    for i, block in enumerate(net["blocks"]):
        state |= under(f"blocks.{i}.", gated(block, both=both, down=down))
    return state


def dinov3(net, gates=False, registers="storage_tokens", scales="ls{}.gamma", **mlp):
    """DINOv3's names, of its authors by default: biases of keys that a mask takes away, periods of the rotation."""
    plain = timm({**net, "blocks": [{**block, "k": {**block["k"], "bias": torch.full((len(net["cls"]),), 9.0)}}
                                    for block in net["blocks"]]}, registers=registers)  # fmt: skip
    del plain["pos_embed"]
    state = {**plain, "cls_token": net["cls"][None, None], registers: net["registers"][None]}
    for i, block in enumerate(net["blocks"]):
        state |= {f"blocks.{i}.{scales.format(part)}": block[f"gamma{part}"] for part in (1, 2)}
        if gates:
            state = {key: value for key, value in state.items() if f"blocks.{i}.mlp." not in key}
            state |= under(f"blocks.{i}.", gated(block, **mlp))
    return state


PERIODS = (100 ** (torch.arange(16) / 16)).bfloat16()


def meta(net, **more):
    mask = torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(len(net["cls"]))
    masks = {f"blocks.{i}.attn.qkv.bias_mask": mask for i in range(DEPTH)}
    return dinov3(net, **more) | masks | {"mask_token": torch.rand(1, 128), "rope_embed.periods": PERIODS}


def timm_dinov3(net, **more):
    state = dinov3(net, registers="reg_token", scales="gamma_{}", **more)
    for i in range(DEPTH):
        if f"blocks.{i}.attn.qkv.bias" in state:
            q, _, v = state.pop(f"blocks.{i}.attn.qkv.bias").chunk(3)
            state |= {f"blocks.{i}.attn.q_bias": q, f"blocks.{i}.attn.v_bias": v}
    return state


def eva02(net):
    """timm's names of EVA-02, whose keys have no bias."""
    blocks = [{**block, "k": {**block["k"], "bias": torch.zeros(len(net["cls"]))}} for block in net["blocks"]]
    plain = timm({**net, "blocks": blocks})
    state = {key: value for key, value in plain.items() if ".qkv." not in key and ".mlp." not in key}
    for i, block in enumerate(net["blocks"]):
        parts = {f"attn.{part}_proj.{kind}": value for part in "qkv" for kind, value in block[part].items()}
        state |= under(f"blocks.{i}.", parts | gated(block, "mlp.fc1_g", "mlp.fc1_x", "mlp.fc2"))
        state |= flat(f"blocks.{i}.attn.norm", block["attn_norm"]) | flat(f"blocks.{i}.mlp.norm", block["mlp_norm"])
    return state


def timm_siglip(net):
    state = timm(net, slots="none") | {"attn_pool.latent": torch.rand(1, 1, 128)}
    del state["cls_token"]
    return state


def open_clip(net):
    """OpenAI's and OpenCLIP's names."""
    own = torch.randn(1, len(net["cls"]), generator=torch.Generator().manual_seed(1))
    state = {"class_embedding": net["cls"] - own[0], "positional_embedding": torch.cat((own, net["positions"]))}
    state |= {"conv1.weight": net["kernel"], "proj": torch.rand(len(net["cls"]), 5)}
    state |= flat("ln_pre", net["pre_norm"]) | flat("ln_post", net["norm"])
    for i, block in enumerate(net["blocks"]):
        path = f"transformer.resblocks.{i}"
        state |= flat(f"{path}.ln_1", block["norm1"]) | flat(f"{path}.ln_2", block["norm2"])
        state |= {f"{path}.attn.in_proj_{kind}": value for kind, value in packed(block).items()}
        state |= flat(f"{path}.attn.out_proj", block["out"])
        state |= flat(f"{path}.mlp.c_fc", block["up"]) | flat(f"{path}.mlp.c_proj", block["down"])
    return state


def under(prefix, state):
    return {f"{prefix}{key}": value for key, value in state.items()}


def text_tower():
    state = {"token_embedding.weight": torch.rand(9, 8), "positional_embedding": torch.rand(7, 8)}
    state |= {"transformer.resblocks.0.attn.in_proj_weight": torch.rand(24, 8), "ln_final.weight": torch.rand(8)}
    return state | {"text_projection": torch.rand(8, 5), "logit_scale": torch.tensor(4.6)}


HEAD = {"head.weight": torch.rand(5, 128), "head.bias": torch.rand(5)}
DECODER = {"mask_token": torch.rand(1, 1, 128), "decoder_embed.weight": torch.rand(8, 128)}
DECODER |= {"decoder_pos_embed": torch.rand(1, 10, 8), "decoder_blocks.0.attn.qkv.weight": torch.rand(24, 8)}
DINO_HEAD = {"head.mlp.0.weight": torch.rand(4, 128), "head.last_layer.weight_v": torch.rand(4, 4)}
OPENAI = {"input_resolution": torch.tensor(12), "context_length": torch.tensor(7), "vocab_size": torch.tensor(9)}
CLIP = {"eps": 1e-5}
DINO_V3 = {"scale": True, "registers": 4, "key_bias": False}
ROTARY = {"eps": 1e-5, "rotary": turned}
SMALL = {"img_size": SIDE * PATCH}

# name: (layout, network, how its file looks, what the formula has beside, arguments, what is expected of the input)
FILES = {
    "timm": ("timm", {}, lambda net: timm(net) | HEAD, {}, {}, IMAGENET),
    "timm without biases of queries, keys, values": ("timm", {"biases": False}, timm, {}, {}, IMAGENET),
    "timm on the mean of the patches": ("timm", {}, lambda net: timm(net, norm="fc_norm") | HEAD, {}, {}, IMAGENET),
    "timm with positions of patches alone": ("timm", {}, lambda net: timm(net, slots="none"), {}, {}, IMAGENET),
    "timm with registers and their positions": (
        "timm", {"registers": 4}, lambda net: timm(net, slots="all"), {}, {}, IMAGENET
    ),
    "DeiT": ("timm", {}, lambda net: {"model": timm(net) | HEAD}, {}, {}, IMAGENET),
    "distilled DeiT": (
        "timm",
        {"registers": 1},
        lambda net: {"model": timm(net, slots="all", registers="dist_token") | HEAD | under("head_dist.", HEAD)},
        {}, {}, IMAGENET,
    ),
    "MAE": ("mae", {}, lambda net: {"model": timm(net) | DECODER, "epoch": 1, "scaler": {}}, {}, {}, IMAGENET),
    "DINO": (
        "dino",
        {},
        lambda net: {
            "student": under("module.backbone.", timm(network())) | under("module.", DINO_HEAD),
            "teacher": under("backbone.", timm(net)) | DINO_HEAD,
            "optimizer": {"state": {0: {"exp_avg": torch.rand(3)}}},
            "dino_loss": {"center": torch.rand(1, 4)},
        },
        {}, {}, IMAGENET,
    ),
    "DINO's backbone alone": ("timm", {}, timm, {}, {}, IMAGENET),
    "DINOv2": (
        "dinov2", {"scale": True}, lambda net: timm(net, scale=True) | {"mask_token": torch.rand(1, 128)}, {}, {},
        IMAGENET,
    ),
    "DINOv2 with registers": (
        "dinov2",
        {"scale": True, "registers": 4},
        lambda net: timm(net, scale=True, registers="register_tokens") | {"mask_token": torch.rand(1, 128)},
        {}, {}, IMAGENET,
    ),
    "DINOv2's training checkpoint": (
        "dinov2",
        {"scale": True},
        lambda net: {
            "teacher": under("backbone.", timm(net, scale=True, chunk=1) | {"mask_token": torch.rand(1, 128)})
            | under("dino_", DINO_HEAD)
        },
        {}, {}, IMAGENET,
    ),
    "timm's DINOv2 with registers": (
        "timm", {"scale": True, "registers": 4}, lambda net: timm(net, scale=True, slots="none"), {}, {}, IMAGENET
    ),
    "MoCo v3's ViT-S": (
        "mocov3",
        {"width": 384},
        lambda net: {
            "arch": "vit_small",
            "state_dict": under("module.base_encoder.", timm(net))
            | under("module.momentum_encoder.", timm(network(384)))
            | under("module.predictor.", HEAD),
        },
        {"heads": 12}, {}, IMAGENET,
    ),
    "OpenAI's CLIP": (
        "openai_clip",
        {"pre_norm": True},
        lambda net: under("visual.", open_clip(net)) | text_tower() | OPENAI,
        {**CLIP, "activation": "quick"}, {}, OF_CLIP,
    ),
    "OpenCLIP": (
        "open_clip",
        {"pre_norm": True},
        lambda net: {"state_dict": under("module.visual.", open_clip(net)) | under("module.", text_tower())},
        CLIP, {"activation": "gelu"}, OF_CLIP,
    ),
    "an image tower alone": (
        "open_clip",
        {"pre_norm": True},
        open_clip,
        {**CLIP, "activation": "quick"}, {"activation": "quick_gelu"}, OF_CLIP,
    ),
    "timm's CLIP": (
        "timm_clip", {"pre_norm": True}, lambda net: timm(net, patch_bias=False), CLIP, {"activation": "gelu"}, OF_CLIP
    ),
    "BiomedCLIP": (
        "open_clip_trunk",
        {},
        lambda net: under("visual.trunk.", timm(net))
        | {"visual.head.proj.weight": torch.rand(5, 128), "logit_scale": torch.tensor(4.6)}
        | {"text.transformer.embeddings.word_embeddings.weight": torch.rand(9, 8)},
        {}, {}, OF_CLIP,
    ),
    "UNI2": (
        "timm", {"scale": True, "registers": 8, "gated": True}, lambda net: swiglu(net, scale=True, slots="none"),
        {}, {}, IMAGENET,
    ),
    "DINOv2's ViT-g": (
        "dinov2",
        {"scale": True, "gated": True},
        lambda net: swiglu(net, both="mlp.w12", down="mlp.w3", scale=True) | {"mask_token": torch.rand(1, 128)},
        {}, {}, IMAGENET,
    ),
    "DINOv3": ("dinov3", DINO_V3, meta, ROTARY, SMALL, IMAGENET),
    "DINOv3's ViT-L": (
        "dinov3", {**DINO_V3, "gated": True}, lambda net: meta(net, gates=True), ROTARY, SMALL, IMAGENET
    ),
    "timm's DINOv3": ("timm_dinov3", DINO_V3, timm_dinov3, ROTARY, SMALL, IMAGENET),
    "timm's DINOv3 without biases": (
        "timm_dinov3", {**DINO_V3, "biases": False}, timm_dinov3, ROTARY, SMALL, IMAGENET
    ),
    "timm's DINOv3 with SwiGLU": (
        "timm_dinov3",
        {**DINO_V3, "gated": True},
        lambda net: timm_dinov3(net, gates=True, gate="mlp.fc1_g", value="mlp.fc1_x", down="mlp.fc2"),
        ROTARY, SMALL, IMAGENET,
    ),
    "timm's EVA-02": (
        "timm_eva02", {"key_bias": False, "gated": True, "inner": True}, eva02, {"rotary": turned_on_16}, {}, OF_CLIP
    ),
    "timm's SigLIP": (
        "timm_siglip", {}, timm_siglip, {"activation": "tanh"}, {"activation": "gelu_tanh"}, "minus (0.5, 0.5, 0.5)"
    ),
    "RETFound": ("mae", {}, lambda net: {"model": timm(net) | DECODER, "optimizer": {}}, {}, {}, IMAGENET),
    "RETFound fine-tuned": ("timm", {}, lambda net: {"model": timm(net, norm="fc_norm") | HEAD}, {}, {}, IMAGENET),
}  # fmt: skip


@pytest.fixture(scope="module")
def image():
    return torch.randn(2, 3, SIDE * PATCH, SIDE * PATCH, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", FILES)
def test_a_layout_has_the_features_of_its_network(name, image):
    layout, sizes, written, formula, arguments, expects = FILES[name]
    net = network(**sizes)
    encoder = ViTEncoder.from_pretrained(written(net), **arguments)
    receipt = encoder.receipt
    assert receipt.layout == layout
    assert expects in receipt.input
    expected = features(net, image, **{"heads": 2, **formula})
    with torch.no_grad():
        tokens = encoder.eval().double()(image.double())[0]
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)
    assert set(receipt.loaded) == set(encoder.state_dict()), "everything of the encoder is filled"
    assert (encoder.blocks[0].attn.qkv.bias is None) == (sizes.get("biases") is False)


def test_every_layout_is_tested_listed_and_documented():
    names = {layout.name for layout in LAYOUTS}
    assert names - {layout for layout, *_ in FILES.values()} == {
        "hf_vit",
        "hf_dinov2",
        "hf_dinov3",
        "hf_siglip",
        "hf_clip",
        "monai",
        "monai_clip",
        "primus",
        "flexict_2d",
        "flexict_3d",
    }
    families = [getattr(layouts, path.stem) for path in Path(layouts.__file__).parent.glob("[a-z]*.py")]
    assert {layout.name for family in families for layout in family.LAYOUTS} == names
    page = (Path(__file__).parents[3] / "docs" / "pretrained.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.M)) == names | {"position_resize"}  # the head of another table


@pytest.mark.parametrize(
    ("name", "names", "way"),
    [
        ("dinov2", ["pos_embed", "mask_token"], "offset"),
        ("dinov2", ["pos_embed", "register_tokens"], "antialias"),
        ("timm", ["pos_embed"], "plain"),
        ("timm", ["pos_embed", "reg_token"], "antialias"),
        ("timm", ["pos_embed", "dist_token"], "plain"),
        ("hf_dinov2", ["embeddings.mask_token"], "plain"),
        ("hf_dinov2", ["embeddings.register_tokens"], "antialias"),
        ("hf_vit", ["embeddings.distillation_token"], "plain"),
        ("monai", ["register_tokens"], "plain"),
    ],
)
def test_a_layout_says_how_its_authors_resize_positions(name, names, way):
    assert next(layout for layout in LAYOUTS if layout.name == name).resize_of(names) == way


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.vit.", "module._orig_mod.", "network.backbone.encoder."])
@pytest.mark.parametrize("nest", [(), ("state_dict",), ("checkpoint", "ema")])
def test_prefixes_and_nests_do_not_matter(prefix, nest, image):
    content = under(prefix, timm(network())) | under(prefix.split(".")[0] + ".", {"head_of_mine.weight": torch.rand(2)})
    for key in reversed(nest):
        content = {key: content, "epoch": 3, "loss": torch.tensor(0.1), "hyper_parameters": {"lr": 1e-3}}
    encoder = ViTEncoder.from_pretrained(content)
    expected = features(network(), image, heads=2)
    torch.testing.assert_close(encoder.eval()(image)[0].double(), expected, rtol=1e-4, atol=1e-4)
    assert [key.rpartition(".")[0].rpartition(".")[2] for key in encoder.receipt.ignored] == ["head_of_mine"]


# --- MONAI ------------------------------------------------------------------------------------------------------------

MONAI = {"img_size": (16, 16, 16), "hidden_size": 128, "mlp_dim": 64, "num_heads": 2}


def with_leftovers(state, prefix=""):
    """What releases of MONAI have owned over the years and no forward pass reaches."""
    for i in range(2):
        names = ("norm_cross_attn.weight", "norm_cross_attn.bias", "cross_attn.to_q.weight", "cross_attn.out_proj.bias")
        state |= {f"{prefix}blocks.{i}.{name}": torch.rand(128) for name in names}
    return state | {f"{prefix}patch_embedding.cls_token": torch.rand(1, 1, 128)}


@pytest.mark.parametrize("wrap", ["bare", "SSL", "Lightning", "DDP"])
def test_monais_autoencoder_gives_the_features_of_its_encoder(wrap):
    torch.manual_seed(0)
    theirs = ViTAutoEnc(in_channels=1, patch_size=(4, 4, 4), num_layers=2, **MONAI).eval()
    with torch.no_grad():
        theirs.patch_embedding.position_embeddings.normal_()
    state = with_leftovers(dict(theirs.state_dict()))
    content = {
        "bare": state,
        "SSL": {"epoch": 9, "state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.rand(2)}}}},
        "Lightning": {"state_dict": under("net.", state), "pytorch-lightning_version": "2.0"},
        "DDP": under("module.", state),
    }[wrap]
    encoder = ViTEncoder.from_pretrained(content, taps=(1,)).eval()
    assert (encoder.norm.eps, encoder.receipt.layout, encoder.img_size) == (1e-5, "monai", [16, 16, 16])
    x = torch.rand(1, 1, 16, 16, 16)
    with torch.no_grad():
        hidden = theirs(x)[1][-1]
        ours = encoder(x)[1][0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, hidden, rtol=1e-5, atol=1e-5)
    parts = {re.search(r"conv3d|cross_attn|cls_token", key)[0] for key in encoder.receipt.ignored}
    assert parts == {"conv3d", "cross_attn", "cls_token"}


def test_an_autoencoders_weights_go_into_a_unetr_whose_decoder_stays_new():
    torch.manual_seed(0)
    theirs = ViTAutoEnc(in_channels=1, patch_size=(4, 4, 4), num_layers=4, **MONAI)
    sizes = {"in_channels": 1, "out_channels": 2, "img_size": 16, "patch_size": 8, "feature_size": 2}
    network = UNETR.from_pretrained({"state_dict": theirs.state_dict()}, **sizes)
    assert torch.equal(network.vit.blocks[3].attn.qkv.weight, theirs.blocks[3].attn.qkv.weight)
    assert all(name.startswith("vit.") for name in network.receipt.loaded)
    assert network.receipt.resized == ("patch kernel 4x4x4 -> 8x8x8", "positions 4x4x4 -> 2x2x2")


@pytest.mark.parametrize("projection", ["conv", "perceptron"])
@pytest.mark.parametrize(("dims", "channels"), [(3, 1), (3, 4), (2, 3)])
@pytest.mark.parametrize("prefix", ["", "module.", "model.net."])
def test_monais_unetr_gives_its_output_whatever_its_patch_embedding(dims, channels, projection, prefix):
    torch.manual_seed(0)
    sizes = {"in_channels": channels, "out_channels": 2, "img_size": (32,) * dims, "feature_size": 2}
    vit = {"hidden_size": 128, "mlp_dim": 64, "num_heads": 2}
    theirs = MonaiUNETR(**sizes, **vit, spatial_dims=dims, proj_type=projection).eval()
    content = {"state_dict": under(prefix, with_leftovers(dict(theirs.state_dict()), "vit."))}
    network = UNETR.from_pretrained(content, **sizes, spatial_dims=dims).eval()
    assert set(network.receipt.loaded) == set(network.state_dict()), "the decoder too"
    x = torch.rand(1, channels, *(32,) * dims)
    with torch.no_grad():
        torch.testing.assert_close(network(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_a_config_tells_the_patch_of_a_perceptron_as_m3d_clip_has_it(tmp_path):
    torch.manual_seed(0)
    image, patch = (8, 16, 24), (4, 8, 8)
    theirs = MonaiViT(1, image, patch, 128, 64, 2, 2, proj_type="perceptron", classification=True).eval()
    nested = {f"vision_encoder.{key}": value for key, value in theirs.state_dict().items()}
    torch.save(nested, tmp_path / "pytorch_model.bin")
    with pytest.raises(PretrainedError, match="perceptron, whose size"):
        ViTEncoder.from_pretrained(tmp_path)
    sizes = {"img_size": image, "patch_size": patch, "num_heads": 2}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    network = ViTEncoder.from_pretrained(tmp_path).eval()
    assert (network.patch_size, network.img_size, network.in_channels) == ([4, 8, 8], [8, 16, 24], 1)
    volume = torch.rand(2, 1, *image)
    with torch.no_grad():
        expected = theirs.norm(theirs(volume)[1][-1])
        torch.testing.assert_close(network(volume)[0], expected, rtol=1e-5, atol=1e-5)
    assert ViTClassifier.from_pretrained(tmp_path, num_classes=2).eval()(volume).shape == (2, 2)
    with pytest.raises(ValueError, match="patch_size must be 8 or 16"):
        UNETR.from_pretrained(tmp_path, out_channels=2, patch_size=(4, 8, 8))
    (tmp_path / "config.json").write_text(json.dumps({**sizes, "patch_size": [4, 8, 7]}))
    with pytest.raises(PretrainedError, match=r"256 values in 1 channels is not of size \(4, 8, 7\)"):
        ViTEncoder.from_pretrained(tmp_path)


def test_a_perceptron_whose_size_nothing_tells_is_refused():
    state = MonaiViT(1, (16,) * 3, 8, 128, 64, 1, 2, proj_type="perceptron").state_dict()
    with pytest.raises(
        PretrainedError, match=r"perceptron, whose size only a whole UNETR or a config.json .*proj_type='conv'"
    ):
        ViTEncoder.from_pretrained(state)
    whole = under("vit.", state) | {"encoder1.layer.conv1.conv.weight": torch.rand(2, 3, 3, 3, 3)}
    with pytest.raises(PretrainedError, match="a patch of 512 values in 3 channels is no square or cube"):
        ViTEncoder.from_pretrained(whole)


@pytest.mark.parametrize("side", [2, 3])
def test_3dino_is_a_dinov2_of_volumes_with_one_channel(side):
    torch.manual_seed(0)
    sizes = {"in_channels": 1, "img_size": 8 * side, "patch_size": 8, "spatial_dims": 3}
    source = ViTEncoder(hidden_size=128, mlp_dim=64, num_layers=DEPTH, num_heads=2, **sizes).eval()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    names = {"attn.out_proj": "attn.proj", "mlp.linear1": "mlp.fc1", "mlp.linear2": "mlp.fc2", "blocks.": "blocks.0."}
    names |= {
        "patch_embedding.patch_embeddings": "patch_embed.proj",
        "patch_embedding.position_embeddings": "pos_embed",
    }
    state = dict(source.state_dict())
    for ours, theirs in names.items():
        state = {key.replace(ours, theirs): value.clone() for key, value in state.items()}
    own = torch.rand(1, 1, 128)
    state |= {"cls_token": state["cls_token"] - own, "pos_embed": torch.cat((own, state["pos_embed"]), 1)}
    for i in range(DEPTH):
        for branch, gamma in (("attn.proj", "ls1.gamma"), ("mlp.fc2", "ls2.gamma")):
            scale = 0.5 + torch.rand(128)
            state[f"blocks.0.{i}.{gamma}"] = scale
            state[f"blocks.0.{i}.{branch}.weight"] /= scale[:, None]
            state[f"blocks.0.{i}.{branch}.bias"] /= scale
    file = {"teacher": under("backbone.", state | {"mask_token": torch.rand(1, 128)}) | under("dino_", DINO_HEAD)}
    network = ViTEncoder.from_pretrained(file).eval()
    assert (network.receipt.layout, network.img_size, network.in_channels) == ("dinov2", [8 * side] * 3, 1)
    assert network.receipt.normalization is None and "give normalization=" in network.receipt.input
    volume = torch.rand(1, 1, *(8 * side,) * 3)
    with torch.no_grad():
        torch.testing.assert_close(network(volume)[0], source(volume)[0], rtol=1e-4, atol=1e-5)


def test_this_packages_own_networks_return_with_their_activation():
    sizes = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 128, "mlp_dim": 24, "num_layers": 1}
    clip = {"activation": "quick_gelu", "pre_norm": True}
    source = ViTClassifier(num_classes=2, num_heads=2, **sizes, **clip)
    target = ViTClassifier(num_classes=2, num_heads=2, **sizes, **clip)
    assert set(load_pretrained(target, source.state_dict()).loaded) == set(source.state_dict())
    with pytest.raises(PretrainedError, match="give activation="):
        ViTEncoder.from_pretrained(source.state_dict())
    built = ViTEncoder.from_pretrained(source.state_dict(), activation="quick_gelu", eps=1e-6)
    assert built.receipt.layout == "monai_clip"
    x = torch.rand(1, 1, 16, 16)
    torch.testing.assert_close(built.eval()(x)[0], source.vit.eval()(x)[0])
    plain = ViTEncoder(num_heads=2, **sizes, activation="quick_gelu")
    assert load_pretrained(plain, ViTEncoder(num_heads=2, **sizes).state_dict()).missing == ()


# --- several, none, others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "candidates"),
    [
        ({"model": timm(network()), "model_ema": timm(network())}, "timm at 'model', timm at 'model_ema'"),
        (under("a.", timm(network())) | under("b.", timm(network())), "timm at 'a', timm at 'b'"),
        (
            under("image.", timm(network())) | under("visual.", open_clip(network(pre_norm=True))),
            "timm at 'image', open_clip at 'visual'",
        ),
    ],
)
def test_several_vision_transformers_are_refused_by_name(content, candidates):
    with pytest.raises(PretrainedError, match=f"holds several vision transformers: {candidates}; give the state dict"):
        ViTEncoder.from_pretrained(content)


def one(*keys):
    return {key: torch.rand(2, 2) for key in keys}


SAM = timm(network()) | one("blocks.0.attn.rel_pos_h", "blocks.0.attn.rel_pos_w", "neck.0.weight")
OTHERS = {
    "SAM": (under("image_encoder.", SAM) | one("prompt_encoder.x"), "this is an image encoder of SAM, MedSAM"),
    "SAM of transformers": (one("vision_encoder.layers.0.attn.rel_pos_h"), "looks like an image encoder of SAM"),
    "DINOv3 with positions": (meta(network(**DINO_V3)) | one("pos_embed"), "the encoder has no place for pos_embed"),
    "Hiera": (timm(network()) | one("blocks.1.proj.weight"), "this is a Hiera, as in SAM 2: stages"),
    "SAM 2": (
        under("image_encoder.trunk.", timm(network()) | one("blocks.1.proj.weight", "pos_embed_window")), "is a Hiera"
    ),
    "Hiera of transformers": (
        one("hiera.embeddings.patch_embeddings.projection.weight", "hiera.encoder.stages.0.layers.0.attn.qkv.weight"),
        "looks like a Hiera",
    ),
    "DINOv3 with a norm of CLS": (
        meta(network(**DINO_V3)) | one("cls_norm.weight", "cls_norm.bias"), "CLS has a norm of its own"
    ),
    "DINOv3 of another base": (
        {**meta(network(**DINO_V3)), "rope_embed.periods": 1000 ** (torch.arange(16) / 16)},
        "has periods from 1 to 649, those of this layout go from 1 to 75",
    ),
    "DINOv3 without periods": ({**meta(network(**DINO_V3)), "rope_embed.periods": torch.ones(0)}, "no row of periods"),
    "an EVA": (timm(network()) | one("blocks.0.gamma_1"), "this is an EVA"),
    "BEiT": (timm(network()) | one("blocks.0.attn.relative_position_bias_table"), "this is a BEiT"),
    "SwiGLU": (timm(network(), scale=True) | one("blocks.0.mlp.w12.weight"), "this is a SwiGLU .* by names"),
    "ResNet": (one("conv1.weight", "layer1.0.conv1.weight", "fc.bias"), "looks like a ResNet; it holds conv1.weight"),
    "CLIP's ResNet": (under("visual.", one("conv1.weight", "layer1.0.conv1.weight")) | text_tower(), "like a ResNet"),
    "Swin": (one("patch_embed.proj.weight", "layers.0.blocks.0.attn.qkv.weight"), "looks like a Swin transformer"),
    "MONAI's Swin": (one("swinViT.layers1.0.blocks.0.attn.qkv.weight"), "Swin .*; MONAI's SwinUNETR is its network"),
    "ConvNeXt": (one("stages.0.blocks.0.conv_dw.weight"), "looks like a ConvNeXt"),
    "DenseNet": (one("features.denseblock1.denselayer1.norm1.weight"), "looks like a DenseNet"),
    "nnU-Net": ({"network_weights": one("encoder.stages.0.0.convs.0.conv.weight")}, "looks like a U-Net"),
    "text": (one("bert.embeddings.word_embeddings.weight"), "looks like a transformer for text"),
    "unknown": (one("w1", "w2"), "of a known layout; it holds w1, w2 ... Layouts that load: timm,"),
    "a stem of convolutions": (
        {k.replace("proj.", "proj.0."): v for k, v in timm(network()).items()}, "no vision transformer of a known"
    ),
    "a hybrid": (timm(network()) | one("patch_embed.backbone.stem.conv.weight"), "no place for patch_embed.backbone"),
    "an unknown token": (timm(network()) | one("prompt_token"), "the encoder has no place for prompt_token"),
    "quantised": (
        {k: v.to(torch.int8) if "qkv.weight" in k else v for k, v in timm(network()).items()},
        "blocks.0.attn.qkv.weight is torch.int8; give weights that are not quantised",
    ),
    "MLPs of another width": (
        {k: v.repeat(3, *[1] * (v.ndim - 1)) if "fc1" in k else v for k, v in timm(network()).items()},
        "gives 768 values and the second reads 256, which no MLP of the layout timm does",
    ),
    "gated MLPs in a CLIP": (
        {
            k: v.repeat(2, *[1] * (v.ndim - 1)) if "c_fc" in k else v
            for k, v in open_clip(network(pre_norm=True)).items()
        },
        "gives 512 values and the second reads 256, which no MLP of the layout open_clip does",
    ),
    "a half of the biases": (
        {k: v for k, v in timm(network()).items() if k != "blocks.1.attn.qkv.bias"},
        "missing: blocks.1.attn.qkv.bias",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_plain_vision_transformer_is_named(name):
    content, message = OTHERS[name]
    with pytest.raises(PretrainedError, match=message):
        ViTEncoder.from_pretrained(content, num_heads=2)


def test_a_tensor_of_a_wrong_shape_is_refused_wherever_it_lies():
    state = timm(network(registers=2, scale=True), scale=True)
    for key in state:
        for wrong in (
            torch.rand(3),
            torch.rand(1),
            torch.rand(2, 3, 5),
            torch.zeros(0),
            torch.tensor(1.0),
            torch.rand(7, 3, 4, 4),
        ):
            with pytest.raises(PretrainedError, match="state dict"):
                ViTEncoder.from_pretrained({**state, key: wrong})


OF_2026 = (
    "UNI2",
    "DINOv2's ViT-g",
    "DINOv3",
    "DINOv3's ViT-L",
    "timm's DINOv3 with SwiGLU",
    "timm's EVA-02",
    "timm's SigLIP",
)
UNSEEN = ("mask_token", "rope_embed.periods", "attn_pool.latent")
"""What no feature depends on."""


@pytest.mark.parametrize("name", OF_2026)
def test_one_tensor_that_is_renamed_transposed_missing_or_wider_is_refused(name):
    _, sizes, written, _, arguments, _ = FILES[name]
    state = written(network(**sizes))
    ViTEncoder.from_pretrained(state, **arguments)
    for key, value in state.items():
        if key in UNSEEN:
            continue
        rest = {name: tensor for name, tensor in state.items() if name != key}
        damages = {"renamed": {**rest, f"{key}s": value}}
        if key != "patch_embed.proj.weight":  # whose patch may have any size
            damages["wider"] = {**state, key: torch.cat((value, value[..., :1]), -1)}
        if name != "UNI2" or key not in ("cls_token", "reg_token"):  # there are networks without them
            damages["missing"] = rest
        if value.ndim == 2 and len(value) != len(value.T):
            damages["transposed"] = {**state, key: value.T.contiguous()}
        for damage, content in damages.items():
            with pytest.raises(PretrainedError, match="state dict"):
                ViTEncoder.from_pretrained(content, **arguments)
                pytest.fail(f"{key} {damage}")


def test_so_it_is_in_a_perceptron_as_m3d_clip_has_it(tmp_path):
    torch.manual_seed(0)
    image, patch = (8, 16, 24), (4, 8, 8)
    theirs = MonaiViT(1, image, patch, 128, 64, 1, 2, proj_type="perceptron", classification=True)
    (tmp_path / "config.json").write_text(json.dumps({"img_size": image, "patch_size": patch, "num_heads": 2}))
    state = dict(theirs.state_dict())
    wide = [key for key, value in state.items() if value.ndim]

    def load(content):
        torch.save(content, tmp_path / "pytorch_model.bin")
        return ViTEncoder.from_pretrained(tmp_path)

    unseen = load(state).receipt.ignored
    for key in set(wide) - set(unseen):
        rest = {name: tensor for name, tensor in state.items() if name != key}
        damages = {"renamed": {**rest, f"{key}s": state[key]}, "missing": rest}
        damages["wider"] = {**state, key: torch.cat((state[key], state[key][..., :1]), -1)}
        if state[key].ndim == 2 and len(state[key]) != len(state[key].T):
            damages["transposed"] = {**state, key: state[key].T.contiguous()}
        if key == "cls_token":  # there are networks without it
            del damages["missing"]
        for damage, content in damages.items():
            with pytest.raises(PretrainedError, match=tmp_path.name):
                load(content)
                pytest.fail(f"{key} {damage}")


def test_no_plain_vision_transformer_is_taken_for_another_family():
    marked = ("BiomedCLIP", "OpenAI", "OpenCLIP", "DINOv3", "ViT-g", "SigLIP", "EVA")
    plain = {name: file for name, file in FILES.items() if not any(word in name for word in marked)}
    assert all(family(written(network(**sizes))) is None for _, sizes, written, *_ in plain.values())


def test_an_unknown_number_of_heads_is_asked_for():
    with pytest.raises(PretrainedError, match=r"give num_heads=, .* a width that no published network has"):
        ViTEncoder.from_pretrained(timm(network(width=96)))
    assert ViTEncoder.from_pretrained(timm(network(width=96)), num_heads=3).num_heads == 3


@pytest.mark.parametrize(("width", "heads"), [(192, 3), (384, 6), (768, 12), (1024, 16), (1152, 16), (1408, 16)])
def test_the_published_widths_have_their_heads(width, heads):
    assert ViTEncoder.from_pretrained(of_width(width)).num_heads == heads


def of_width(width):
    return {k: torch.zeros(*(width if s == 128 else 3 * width if s == 384 else s for s in v.shape))
            for k, v in timm(network()).items()}  # fmt: skip


def test_a_width_that_is_published_with_several_numbers_of_heads_is_asked_for():
    with pytest.raises(PretrainedError, match=r"give num_heads=, .* with different heads \(1280: 16 or 20\)"):
        ViTEncoder.from_pretrained(of_width(1280))
    for heads in (16, 20):
        assert ViTEncoder.from_pretrained(of_width(1280), num_heads=heads).num_heads == heads


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", OF_2026)
def test_half_precision_is_read_as_the_numbers_that_it_holds(name, half, image):
    """Folding comes after widening: the same numbers in single precision give the same features, to the bit."""
    _, sizes, written, _, arguments, _ = FILES[name]
    state = {key: value.to(half) for key, value in written(network(**sizes)).items()}
    first = ViTEncoder.from_pretrained(state, **arguments).eval()
    second = ViTEncoder.from_pretrained({key: value.float() for key, value in state.items()}, **arguments).eval()
    assert first.receipt.converted and not second.receipt.converted
    with torch.no_grad():
        assert torch.equal(first(image)[0], second(image)[0])
