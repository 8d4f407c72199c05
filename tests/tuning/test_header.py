"""The header: today's form, and files of format 1."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from dvpt_monai import (
    DVPT,
    LST,
    AdapterError,
    DoRA,
    LoRA,
    Stack,
    ViTClassifier,
    load_adapter,
    read_header,
    save_adapter,
    tune,
)
from dvpt_monai.tuning import header as module
from dvpt_monai.tuning import trained_tensors

TASK = {"task": "grading", "num_classes": 3, "phantom": False, "metric": "kappa", "value": 0.5, "epoch": 4, "tap": None}


def vit(seed=0, **more):
    torch.manual_seed(seed)
    sizes = {"img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 2}
    return ViTClassifier(**{"num_classes": 3, "in_channels": 1, **sizes, **more}).eval()


def lora():
    network = tune(vit(), Stack(DoRA(rank=2), LoRA(rank=3), LoRA(rank=1, modules=["*mlp.linear1"])))
    with torch.no_grad():
        for value in trained_tensors(network).values():
            nn.init.normal_(value)
    return network


def format_1(path, target, names=("down", "up"), task=TASK):
    """An adapter as version 0.1 wrote it: one entry for settings and result, LoRA's factors by their old names."""
    header = read_header(path)
    letters = dict(zip(("A", "B"), names, strict=True))

    def old(key):
        return key[:-1] + letters[key[-1]] if key.endswith(("tuner.A", "tuner.B")) else key

    tensors = {old(key): value for key, value in load_file(path).items()}
    for name in ("settings", "result", "network"):
        del header[name]
    header.update(format=1, task=task, tensors=module._shapes(tensors))
    header["sha256"] = module._digest(header, tensors)
    save_file(tensors, target, metadata={"dvpt_monai": json.dumps(header)})
    return target


def test_a_file_of_format_1_reads_and_loads_as_today(tmp_path):
    network = lora()
    today = save_adapter(network, tmp_path / "today.safetensors")
    path = format_1(today, tmp_path / "old.safetensors")
    assert sum(key.endswith((".tuner.down", ".tuner.up")) for key in load_file(path)) == 2 * 3 * 2
    header = read_header(path)
    assert header["settings"] == {"num_classes": 3, "tap": None}
    assert header["result"] == {"task": "grading", "phantom": False, "metric": "kappa", "value": 0.5, "epoch": 4}
    assert "task" not in header and header["network"] == {}
    assert header["tensors"] == read_header(today)["tensors"]
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(load_adapter(vit(), path)(x), network(x))


def test_a_file_of_format_1_with_a_changed_byte_or_other_names_is_refused(tmp_path):
    today = save_adapter(lora(), tmp_path / "today.safetensors")
    path = format_1(today, tmp_path / "old.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(AdapterError, match="is damaged"):
        load_adapter(vit(), path)
    with pytest.raises(AdapterError, match=r"it lacks vit.*tuner\.A"):
        load_adapter(vit(), format_1(today, tmp_path / "old.safetensors", names=("first", "second")))


def test_arguments_that_came_later_have_their_defaults(tmp_path):
    method = Stack(DVPT(num_prompts=3), LST(reduction=2))
    path = save_adapter(tune(vit(), method), tmp_path / "a.safetensors")
    header = read_header(path)
    dvpt, lst = header["method"]["methods"]
    assert dvpt.pop("gate") == 1.0 and lst.pop("num_heads") is None  # as before they were arguments
    header["sha256"] = module._digest(header, load_file(path))
    save_file(load_file(path), path, metadata={"dvpt_monai": json.dumps(header)})
    assert read_header(path)["method"] == json.loads(json.dumps(method.arguments()))
    load_adapter(vit(), path)


def test_arguments_of_another_version_are_named_and_not_dropped(tmp_path):
    path = save_adapter(tune(vit(), DVPT(num_prompts=3)), tmp_path / "a.safetensors")
    header = read_header(path)
    header["method"]["depth"] = 2
    header["sha256"] = module._digest(header, load_file(path))
    save_file(load_file(path), path, metadata={"dvpt_monai": json.dumps(header)})
    assert read_header(path)["method"]["depth"] == 2
    with pytest.raises(AdapterError, match=r"method DVPT: .*'depth'"):
        load_adapter(vit(), path)


def test_format_2_has_no_other_names(tmp_path):
    path = save_adapter(lora(), tmp_path / "a.safetensors")
    tensors, header = load_file(path), read_header(path)
    key = next(key for key in tensors if key.endswith("tuner.A"))
    tensors[key[:-1] + "down"] = tensors.pop(key)
    header["tensors"] = module._shapes(tensors)
    header["sha256"] = module._digest(header, tensors)
    save_file(tensors, path, metadata={"dvpt_monai": json.dumps(header)})
    with pytest.raises(AdapterError, match=f"it lacks {key}"):
        load_adapter(vit(), path)


def test_an_old_header_tells_no_heads_and_loads_as_before(tmp_path):
    today = save_adapter(tune(vit(), LoRA(rank=2)), tmp_path / "today.safetensors")
    with pytest.raises(AdapterError, match="num_heads=2, this ViTClassifier has num_heads=3"):
        load_adapter(vit(num_heads=3), today)
    load_adapter(vit(num_heads=3), format_1(today, tmp_path / "old.safetensors"))


def test_the_former_name_of_settings_and_result_is_taken_with_a_warning(tmp_path):
    network = tune(vit(), LoRA(rank=2))
    with pytest.warns(DeprecationWarning, match="task= is now settings= and result="):
        path = save_adapter(network, tmp_path / "a.safetensors", settings={"tap": 3}, task=TASK)
    header = read_header(path)
    assert header["settings"] == {"num_classes": 3, "tap": 3}
    assert header["result"] == {"task": "grading", "phantom": False, "metric": "kappa", "value": 0.5, "epoch": 4}
