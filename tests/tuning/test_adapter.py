"""Adapters: what they hold, which backbone they accept, and how damage is refused."""

import copy
import json
import os
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import dvpt_monai
from dvpt_monai import (
    DVPT,
    UNETR,
    AdapterError,
    BackboneMismatchError,
    BitFit,
    FullFineTuning,
    LinearProbe,
    PartialFineTuning,
    Stack,
    Tuned,
    TuningError,
    ViTClassifier,
    load_adapter,
    parameter_groups,
    read_header,
    save_adapter,
    swap_adapter,
    tune,
    untune,
)
from dvpt_monai.tuning import trained_tensors
from dvpt_monai.tuning.architecture import architecture
from dvpt_monai.tuning.trains import frozen_tensors

SMALL = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2}
DYNAMIC = DVPT(num_prompts=3, bottleneck=2)


def vit(seed=0, **more):
    torch.manual_seed(seed)
    network = ViTClassifier(**{"num_classes": 3, "num_layers": 3, "num_registers": 2, **SMALL, **more}).eval()
    with torch.no_grad():  # nothing is exactly 0 in a pre-trained backbone
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return network


def with_classes(number):
    network = vit(num_classes=number)
    network.vit.load_state_dict(vit().vit.state_dict())
    return network


def wake(network, seed=1):
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in trained_tensors(network).values():
            if value.is_floating_point():
                value.add_(torch.randn_like(value), alpha=0.3)
    return network


def image(network, seed=2):
    torch.manual_seed(seed)
    like = network.vit.norm.weight
    return torch.rand(2, 1, *network.vit.img_size).to(like)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """An adapter of DVPT on vit(), and what its network gives."""
    network = wake(tune(vit(), DYNAMIC))
    path = save_adapter(
        network, tmp_path_factory.mktemp("adapter") / "dvpt.safetensors", {"labels": ["a", "b"]}, {"metric": "kappa"}
    )
    with torch.no_grad():
        return path, network(image(network))


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """An adapter without tuners, which only its fingerprint ties to the backbone."""
    return save_adapter(wake(tune(vit(), LinearProbe())), tmp_path_factory.mktemp("adapter") / "probe.safetensors")


# --- what it holds ----------------------------------------------------------------------------------------------------


def test_it_holds_what_trains_and_says_what_it_is(adapter):
    path, _ = adapter
    tuned = tune(vit(), DYNAMIC)
    tensors = load_file(path)
    assert tensors.keys() == {k for k in tuned.state_dict() if ".tuner." in k or k.startswith("head.")}
    header = read_header(path)
    assert header["format"] == 2
    assert header["method"] == DYNAMIC.arguments()
    assert header["train"] == ["head.*"]
    assert header["tensors"]["head.weight"] == ["float32", 3, 12]
    assert header["tensors"].keys() == tensors.keys()
    assert header["settings"] == {"labels": ["a", "b"]} and header["result"] == {"metric": "kappa"}
    assert header["network"] == architecture(tuned)
    assert header["backbone"]["receipt"] is None
    assert header["backbone"]["fingerprint"].keys() == vit().state_dict().keys() - tensors.keys()
    assert header["versions"]["torch"] == torch.__version__
    assert header["versions"]["dvpt-monai"] == dvpt_monai.__version__
    assert len(header["sha256"]) == 64


def test_it_names_the_file_of_its_backbone(tmp_path):
    network = ViTClassifier.from_pretrained(vit().state_dict(), num_classes=3, img_size=16, num_heads=2)
    path = save_adapter(tune(network, LinearProbe()), tmp_path / "a.safetensors")
    assert read_header(path)["backbone"]["receipt"] == json.loads(json.dumps(network.receipt.as_dict()))


@pytest.mark.parametrize("share", [2, 3])
def test_a_shared_module_is_saved_once_and_tied_again(tmp_path, share):
    method = DVPT(num_prompts=3, bottleneck=2, share=share)
    network = wake(tune(vit(), method))
    path = save_adapter(network, tmp_path / "a.safetensors")
    assert sum(key.endswith("gate") for key in load_file(path)) == -(-3 // share)
    other = load_adapter(vit(), path)
    tuners = [block.mlp.tuner for block in other.vit.blocks]
    assert tuners[0] is tuners[1]
    assert (tuners[2] is tuners[1]) == (share == 3)
    assert torch.equal(other(image(other)), network(image(network)))


def test_buffers_of_trained_parts_return(tmp_path):
    torch.manual_seed(0)
    plain = UNETR(out_channels=2, feature_size=2, num_layers=3, spatial_dims=2, norm_name="batch", **SMALL)
    network = tune(copy.deepcopy(plain), DYNAMIC).train()
    network(image(network)).sum().backward()
    path = save_adapter(network.eval(), tmp_path / "a.safetensors")
    held = load_file(path)
    buffers = {name for name, _ in plain.named_buffers()}
    assert len(buffers) == 3 * 14
    assert buffers <= held.keys()
    assert all(int(held[key]) == 1 for key in buffers if key.endswith("num_batches_tracked"))
    other = load_adapter(plain.eval(), path)
    assert torch.equal(other(image(other)), network(image(network)))


def test_buffers_of_a_chosen_backbone_return(tmp_path):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 36, 2))
    network = tune(copy.deepcopy(plain), FullFineTuning(), train=["3.*"]).train()
    network(torch.rand(4, 1, 8, 8))
    other = load_adapter(plain, save_adapter(network, tmp_path / "a.safetensors"))
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in network.state_dict().items())


def test_tied_tensors_of_a_trained_part_are_no_backbone(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(2, 2), nn.Linear(2, 2)
            self.again = self.decoder

    plain = Tied()
    network = wake(tune(copy.deepcopy(plain), LinearProbe(), train=["decoder*"]))
    assert frozen_tensors(network).keys() == {"encoder.weight", "encoder.bias"}
    other = load_adapter(plain, save_adapter(network, tmp_path / "a.safetensors"))
    assert torch.equal(other.again.weight, network.decoder.weight)


def test_a_tuner_frozen_by_hand_is_saved_all_the_same(tmp_path):
    network = wake(tune(vit(), DYNAMIC))
    network.vit.requires_grad_(False)
    other = load_adapter(vit(), save_adapter(network, tmp_path / "a.safetensors"))
    assert torch.equal(other(image(other)), network(image(network)))


def test_a_loaded_network_trains_on(adapter):
    network = load_adapter(vit(), adapter[0]).train()
    optimizer = torch.optim.AdamW(parameter_groups(network, lr=1e-2))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(image(network)).square().sum().backward()
    optimizer.step()
    moved = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == trained_tensors(network).keys()


@pytest.mark.parametrize(
    "values",
    [
        {"labels": {index: str(index) for index in range(12)}},  # keys that sort differently as strings
        {"spacing": (1.0, 0.5), "metric": None, "name": "Netzhaut, é"},
        {"a": {"b": [1, {"c": float("nan")}]}},
    ],
)
@pytest.mark.parametrize("entry", ["settings", "result"])
def test_settings_and_results_of_any_json_return(tmp_path, values, entry):
    path = save_adapter(tune(vit(), LinearProbe()), tmp_path / "a.safetensors", **{entry: values})
    load_adapter(vit(), path)
    assert json.dumps(read_header(path)[entry]) == json.dumps(json.loads(json.dumps(values)))


# --- saving -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_saved_is_refused_and_nothing_written(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(TuningError, match="save_adapter: the network is not tuned"):
        save_adapter(vit(), path)
    network = tune(vit(), DYNAMIC)
    for entry in ("settings", "result"):
        with pytest.raises(AdapterError, match="settings or result are not JSON-ready"):
            save_adapter(network, path, **{entry: {"labels": {"a", "b"}}})
    network.head.bias.data[1] = float("nan")
    with pytest.raises(AdapterError, match=r"head\.bias holds NaN or infinity; nothing was written"):
        save_adapter(network, path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_failing_write_leaves_the_old_file_whole(tmp_path, monkeypatch, failing):
    path = save_adapter(tune(vit(), DYNAMIC), tmp_path / "a.safetensors")
    old = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    if failing == "write":

        def full(path, content):
            with open(path, "wb") as file:
                file.write(content[: len(content) // 2])
            fail()

        monkeypatch.setattr(Path, "write_bytes", full)
    else:
        monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        save_adapter(wake(tune(vit(), DYNAMIC)), path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path], "and nothing beside it"
    load_adapter(vit(), path)


def test_a_save_replaces_and_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "a.safetensors"
    assert save_adapter(tune(vit(), DYNAMIC), str(path)) == path
    network = wake(tune(vit(), DYNAMIC))
    save_adapter(network, path)
    other = load_adapter(vit(), str(path))
    assert torch.equal(other(image(other)), network(image(network)))
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


# --- another backbone -------------------------------------------------------------------------------------------------


def permuted():
    network = vit()
    first, second = (copy.deepcopy(network.vit.blocks[i].state_dict()) for i in (0, 1))
    network.vit.blocks[0].load_state_dict(second)
    network.vit.blocks[1].load_state_dict(first)
    return network


def deeper():
    network = vit(num_layers=4)
    network.load_state_dict(vit().state_dict(), strict=False)
    return network


OTHERS = {
    "seed": (lambda: vit(seed=1), "was trained on another backbone: vit"),
    "deeper": (deeper, "belongs to a backbone without vit.blocks.3"),
    "shallower": (lambda: vit(num_layers=2), "belongs to a backbone with vit.blocks.2"),
    "tap": (lambda: vit(tap=2), "belongs to a backbone with vit.blocks.2"),
    "width": (lambda: vit(hidden_size=24), r"is \(1, 1, 24\) here and \(1, 1, 12\)"),
    "registers": (lambda: vit(num_registers=0), "belongs to a backbone with vit.register_tokens"),
    "more registers": (lambda: vit(num_registers=3), r"register_tokens is \(1, 3, 12\) here"),
    "image size": (lambda: vit(img_size=32), r"position_embeddings is \(1, 16, 12\) here and \(1, 4, 12\)"),
    "no qkv bias": (lambda: vit(qkv_bias=False), "belongs to a backbone with vit.blocks.0.attn.qkv.bias"),
    "one block permuted": (permuted, "was trained on another backbone: vit.blocks.[01]"),
}


@pytest.mark.parametrize("kind", ["dvpt", "probe"])
@pytest.mark.parametrize("other", OTHERS)
def test_another_backbone_is_refused_and_left_alone(other, kind, adapter, probe, unchanged):
    build, message = OTHERS[other]
    network = build()
    network.vit.blocks[0].train()
    network.head.bias.requires_grad_(False)
    path = probe if kind == "probe" else adapter[0]
    with unchanged(network), pytest.raises(BackboneMismatchError, match=message):
        load_adapter(network, path)


@pytest.mark.parametrize("change", ["scale", "noise"])
def test_one_percent_in_any_one_tensor_is_refused(change, probe, unchanged):
    frozen = frozen_tensors(tune(vit(), LinearProbe()))
    assert len(frozen) == 3 * 12 + 7
    network = vit()
    tensors = network.state_dict()
    for key in frozen:
        kept = tensors[key].clone()
        if change == "scale":
            tensors[key] *= 1.01
        else:
            tensors[key] += 0.01 * kept.square().mean().sqrt() * torch.randn_like(kept)
        with unchanged(network), pytest.raises(BackboneMismatchError, match=f"another backbone: {key} differs"):
            load_adapter(network, probe)
        tensors[key].copy_(kept)
    load_adapter(network, probe)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["vit.cls_token", "vit.blocks.1.norm1.bias", "vit.norm.bias"])
def test_not_a_number_in_the_backbone_is_refused(key, value, probe):
    network = vit()
    network.state_dict()[key].view(-1)[3] = value
    with pytest.raises(BackboneMismatchError, match=f"another backbone: {key}"):
        load_adapter(network, probe)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_accepted(adapter, seed):
    path, y = adapter
    network = vit()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1e-5 * parameter.square().mean().sqrt() * torch.randn_like(parameter))
    torch.testing.assert_close(load_adapter(network, path)(image(network)), y, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float64, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 1e-1)], ids=str
)
def test_another_precision_is_accepted_at_its_tolerance(adapter, dtype, close, unchanged):
    path, y = adapter
    network = load_adapter(vit().to(dtype), path)
    assert {value.dtype for value in network.state_dict().values()} == {dtype}
    with torch.no_grad():
        torch.testing.assert_close(network(image(network)).float(), y, rtol=close, atol=close)
    other = vit(seed=1).to(dtype)
    with unchanged(other), pytest.raises(BackboneMismatchError):
        load_adapter(other, path)


def test_an_adapter_of_a_bf16_network_fits_the_float32_one(tmp_path):
    network = wake(tune(vit().bfloat16(), DYNAMIC))
    other = load_adapter(vit(), save_adapter(network, tmp_path / "a.safetensors"))
    assert other.head.weight.dtype == torch.float32
    assert torch.equal(other.head.weight, network.head.weight.float())


def test_a_whole_network_needs_no_backbone_but_its_shape(tmp_path):
    network = wake(tune(vit(), FullFineTuning()))
    path = save_adapter(network, tmp_path / "a.safetensors")
    assert read_header(path)["backbone"]["fingerprint"] == {}
    other = load_adapter(vit(seed=1), path)
    assert torch.equal(other(image(other)), network(image(network)))
    with pytest.raises(AdapterError, match="does not fit"):
        load_adapter(vit(num_layers=2), path)


# --- another shape ----------------------------------------------------------------------------------------------------


def rewritten(path, target, edit):
    """The adapter with its tensors and header edited and its hash made right again."""
    from dvpt_monai.tuning import header as module

    tensors = load_file(path)
    header = read_header(path)
    edit(tensors, header)
    header["tensors"] = module._shapes(tensors)
    header["sha256"] = module._digest(header, tensors)
    save_file(tensors, target, metadata={"dvpt_monai": json.dumps(header)})
    return target


EDITS = {
    "missing key": (lambda t, h: t.pop("head.bias"), AdapterError, r"it lacks head.bias \(1 missing in all\)"),
    "surplus key": (
        lambda t, h: t.update({"head.gain": torch.ones(1)}),
        AdapterError,
        r"the network has no head.gain \(1 surplus in all\)",
    ),
    "unknown method": (lambda t, h: h["method"].update(method="LoRa"), AdapterError, "method 'LoRa' is not known"),
    "unknown argument": (lambda t, h: h["method"].update(rank=3), AdapterError, "unexpected keyword argument 'rank'"),
    "wrong argument": (
        lambda t, h: h["method"].update(bottleneck=-3),
        AdapterError,
        "bottleneck must be a whole number",
    ),
    "other bottleneck": (
        lambda t, h: h["method"].update(bottleneck=3),
        AdapterError,
        r"tuner.prompts is \(3, 2\) in the file and \(3, 3\) in the network",
    ),
    "pattern of nothing": (lambda t, h: h["train"].append("neck.*"), AdapterError, r"'neck.\*' matches no parameter"),
    "layer out of range": (lambda t, h: h["method"].update(layers=[9]), AdapterError, r"layers \[9\] are out of range"),
    "newer format": (
        lambda t, h: h.update(format=3),
        AdapterError,
        "has adapter format 3, this version reads 2; upgrade",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_does_not_fit_is_refused_and_the_network_left_alone(edit, adapter, tmp_path, unchanged):
    change, error, message = EDITS[edit]
    path = rewritten(adapter[0], tmp_path / "a.safetensors", change)
    network = vit()
    network.vit.blocks[0].train()
    network.head.bias.requires_grad_(False)
    with unchanged(network), pytest.raises(error, match=message):
        load_adapter(network, path)


HIDDEN = {
    "num_heads": ({"num_heads": 3}, "was trained with num_heads=2, this ViTClassifier has num_heads=3"),
    "eps": ({"eps": 1e-5}, "was trained with eps=1e-06, this ViTClassifier has eps=1e-05"),
    "activation": ({"activation": "quick_gelu"}, "trained with activation='gelu', .* has activation='quick_gelu'"),
    "pooling": ({"pooling": "mean"}, "was trained with pooling='cls', this ViTClassifier has pooling='mean'"),
    "image size": ({"img_size": (8, 32)}, r"trained with img_size=\[16, 16\], .* has img_size=\[8, 32\]"),
}


@pytest.mark.parametrize("setting", HIDDEN)
def test_what_no_tensor_shows_is_refused_by_name(setting, probe, unchanged):
    other, message = HIDDEN[setting]
    network = vit(**other)
    assert load_file(probe).keys() <= network.state_dict().keys(), "nothing else tells them apart"
    with unchanged(network), pytest.raises(AdapterError, match=f"{message} and would compute something else; build it"):
        load_adapter(network, probe)


def test_another_number_of_classes_is_refused_with_the_remedy(adapter, unchanged):
    network = with_classes(4)
    message = r"head.weight is \(3, 12\) in the file and \(4, 12\) in the network; build the network with the sizes"
    with unchanged(network), pytest.raises(AdapterError, match=message):
        load_adapter(network, adapter[0])


def test_a_tuned_network_is_refused_with_the_remedy(adapter, unchanged):
    network = wake(tune(vit(), DYNAMIC))
    with (
        unchanged(network),
        pytest.raises(TuningError, match=r"already tuned; swap_adapter\(network, '.*'\) exchanges"),
    ):
        load_adapter(network, adapter[0])


# --- damage -----------------------------------------------------------------------------------------------------------


def refused_or_the_same(path, good):
    """Load a damaged adapter into a fresh network: refused, or what it meant is unchanged to the bit."""
    network = vit()
    try:
        load_adapter(network, path)
    except AdapterError as error:
        assert path.name in str(error)
        return True
    assert all(torch.equal(value, good[key]) for key, value in network.state_dict().items())
    return False


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small file, its content, where its tensors begin, and the network that it gives."""
    network = wake(tune(vit(), PartialFineTuning(3), train=["head.*", "vit.patch*"]))
    path = save_adapter(network, tmp_path_factory.mktemp("damage") / "a.safetensors", settings={"rate": 1e-06})
    content = path.read_bytes()
    return content, 8 + int.from_bytes(content[:8], "little"), load_adapter(vit(), path).state_dict()


@pytest.mark.parametrize("where", ["length", "header", "data"])
def test_a_flipped_bit_is_refused_wherever_it_is(where, small, tmp_path):
    content, data, good = small
    path = tmp_path / "a.safetensors"
    chosen = random.Random(0)
    places = {"length": range(64), "header": range(64, 8 * data), "data": range(8 * data, 8 * len(content))}[where]
    harmless = 0
    for place in places if where == "length" else chosen.sample(places, 150):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        harmless += not refused_or_the_same(path, good)
    # The only flips that may pass turn the e of a number such as 1e-06 into E.
    assert harmless <= (2 if where == "header" else 0)


def test_a_truncated_file_is_refused_at_any_length(small, tmp_path):
    content, data, good = small
    path = tmp_path / "a.safetensors"
    lengths = [0, 1, 7, 8, 9, data - 1, data, data + 1, len(content) - 1, *range(100, len(content), len(content) // 40)]
    for length in lengths:
        path.write_bytes(content[:length])
        assert refused_or_the_same(path, good), length
    path.write_bytes(content + b"\0")
    assert refused_or_the_same(path, good)


def test_what_is_no_adapter_is_refused(tmp_path, unchanged):
    network = vit()
    path = tmp_path / "a.safetensors"
    with unchanged(network):
        for write in (
            lambda: None,
            lambda: path.write_bytes(b"PK\x03\x04 not this either"),
            lambda: torch.save({"head.weight": torch.ones(3)}, path),
            lambda: save_file({"head.weight": torch.ones(3)}, path),
            lambda: save_file({"head.weight": torch.ones(3)}, path, metadata={"dvpt_monai": "[1]"}),
            lambda: save_file({"head.weight": torch.ones(3)}, path, metadata={"dvpt_monai": "{"}),
            lambda: save_file({"head.weight": torch.ones(3)}, path, metadata={"dvpt_monai": '{"format": 1}'}),
        ):
            write()
            for read in (read_header, lambda path: load_adapter(network, path), lambda p: swap_adapter(network, p)):
                with pytest.raises(AdapterError, match=r"read: .*a\.safetensors"):
                    read(path)
    with pytest.raises(AdapterError, match="no adapter at"):
        read_header(tmp_path)


def test_a_tensor_of_another_type_with_the_same_bytes_is_refused(adapter, tmp_path):
    tensors = load_file(adapter[0])
    with safe_open(adapter[0], "pt") as file:
        metadata = file.metadata()
    for change in (lambda t: t.view(torch.int32), lambda t: t.reshape(-1)):
        save_file(
            {**tensors, "head.weight": change(tensors["head.weight"])}, tmp_path / "a.safetensors", metadata=metadata
        )
        with pytest.raises(AdapterError, match="is damaged"):
            load_adapter(vit(), tmp_path / "a.safetensors")


# --- swap -------------------------------------------------------------------------------------------------------------

ADAPTED = {
    "DVPT": DYNAMIC,
    "tokens": DVPT(num_prompts=2, bottleneck=3, aggregate="tokens", share=2),
    "BitFit": BitFit(),
    "Stack": Stack(DYNAMIC, PartialFineTuning(1)),
    "FullFineTuning": FullFineTuning(),
}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    built = {}
    for name, method in ADAPTED.items():
        network = wake(tune(vit(), method))
        with torch.no_grad():
            built[name] = save_adapter(network, folder / f"{name}.safetensors"), network(image(network))
    return built


def test_swapping_through_all_adapters_never_touches_the_backbone(adapters):
    network = vit()
    for name in [*adapters, *reversed(adapters)]:
        path, y = adapters[name]
        assert swap_adapter(network, path) is network
        assert network.tuning.method == ADAPTED[name]
        assert not network.training
        with torch.no_grad():
            assert torch.equal(network(image(network)), y), name
    untune(network)
    plain = vit().state_dict()
    assert all(torch.equal(v, plain[k]) for k, v in network.state_dict().items() if not k.startswith("head."))


def test_a_swap_keeps_the_training_mode(adapters):
    network = tune(vit(), BitFit()).train()
    assert swap_adapter(network, adapters["DVPT"][0]).training


@pytest.mark.parametrize("held", ADAPTED)
@pytest.mark.parametrize("failure", ["missing", "shape", "backbone", "interrupted"])
def test_a_failed_swap_keeps_the_very_tuners_that_were_there(held, failure, adapters, tmp_path, unchanged, monkeypatch):
    network = load_adapter(vit(), adapters[held][0])
    if failure == "missing":
        path, error = tmp_path / "none.safetensors", AdapterError
    elif failure == "shape":
        method = DVPT(num_prompts=5, bottleneck=2)
        other = tune(with_classes(4), method)
        path, error = save_adapter(other, tmp_path / "a.safetensors"), AdapterError
    elif failure == "backbone":
        path = save_adapter(tune(vit(seed=3), DYNAMIC), tmp_path / "a.safetensors")
        error = BackboneMismatchError
    else:
        path, error = adapters["DVPT"][0], KeyboardInterrupt

        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("dvpt_monai.tuning.adapter._check_fit", interrupt)
    with unchanged(network), pytest.raises(error):
        swap_adapter(network, path)
    with torch.no_grad():
        assert torch.equal(network(image(network)), adapters[held][1])
    assert network.train().head.training


# --- the real backbone ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_resized_real_backbone_is_the_same_at_one_and_two_threads(backbone_file, tmp_path):
    def build():
        return UNETR.from_pretrained(
            backbone_file, in_channels=1, out_channels=3, img_size=(48, 48, 48), patch_size=8, tap=4, feature_size=2
        )

    path = save_adapter(tune(build(), LinearProbe()), tmp_path / "a.safetensors")
    assert read_header(path)["backbone"]["receipt"]["source"] == backbone_file.name
    try:
        torch.set_num_threads(2)
        network = build()
    finally:
        torch.set_num_threads(1)
    load_adapter(network, path)
    assert not any(isinstance(module, Tuned) for module in network.modules())


# --- another device ---------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_adapter_goes_between_cpu_and_gpu(adapter, tmp_path):
    path, y = adapter
    network = load_adapter(vit().cuda(), path)
    assert {value.device.type for value in network.state_dict().values()} == {"cuda"}
    torch.testing.assert_close(network(image(network)).cpu(), y, rtol=1e-3, atol=1e-3)
    back = load_adapter(vit(), save_adapter(network, tmp_path / "a.safetensors"))
    with torch.no_grad():
        assert torch.equal(back(image(back)), y)
    tuned = tune(vit().cuda(), DVPT(num_prompts=2, bottleneck=2, aggregate="tokens"))
    tuned(image(tuned)).sum().backward()
