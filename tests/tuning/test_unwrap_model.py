"""Compiled and parallel networks are tuned, saved and counted by the plain names of what is inside."""

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from dvpt_monai import (
    BitFit,
    LoRA,
    TuningError,
    ViTClassifier,
    disabled,
    is_tuned,
    load_adapter,
    merge,
    parameter_groups,
    report,
    save_adapter,
    swap_adapter,
    tune,
    untune,
)
from dvpt_monai.tuning import trained_tensors, unwrap_model
from dvpt_monai.tuning.trains import frozen_tensors


def vit():
    torch.manual_seed(0)
    sizes = {"img_size": 16, "patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 2}
    return ViTClassifier(num_classes=3, in_channels=1, **sizes).eval()


def tuned():
    network = tune(vit(), LoRA(rank=2))
    with torch.no_grad():
        for value in trained_tensors(network).values():
            nn.init.normal_(value)
    return network


@pytest.fixture(scope="module")
def process_group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


WRAPPERS = {
    "DataParallel": DataParallel,
    "DistributedDataParallel": DistributedDataParallel,
    "compile": torch.compile,
    "compiled DistributedDataParallel": lambda network: torch.compile(DistributedDataParallel(network)),
    "DistributedDataParallel of a compiled one": lambda network: DistributedDataParallel(torch.compile(network)),
}
CHANGING = {"DataParallel": DataParallel, "compile": torch.compile}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_is_inside_is_saved_and_counted(wrapper, tmp_path, process_group):
    network = tuned()
    wrapped = WRAPPERS[wrapper](network)
    assert wrapped.state_dict().keys() != network.state_dict().keys()
    assert unwrap_model(wrapped) is network and unwrap_model(network) is network
    assert is_tuned(wrapped) and report(wrapped) == report(network)
    assert trained_tensors(wrapped).keys() == trained_tensors(network).keys()
    assert frozen_tensors(wrapped).keys() == frozen_tensors(network).keys()
    groups = [
        [
            (group["lr"], group["weight_decay"], *map(id, group["params"]))
            for group in parameter_groups(each, 1e-3, 1e-2)
        ]
        for each in (network, wrapped)
    ]
    assert groups[0] == groups[1]
    paths = [save_adapter(each, tmp_path / f"{index}.safetensors") for index, each in enumerate((network, wrapped))]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    x = torch.rand(1, 1, 16, 16)
    assert torch.equal(merge(wrapped)(x), merge(network)(x))
    with disabled(wrapped):
        plain = vit()
        plain.head.load_state_dict(network.head.state_dict())
        assert torch.equal(network(x), plain(x))
    assert torch.equal(load_adapter(vit(), paths[1])(x), network(x))


def test_a_network_with_a_module_of_its_own_is_no_wrapper(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)

    network = tune(Own(), BitFit())
    assert unwrap_model(network) is network
    assert "module.bias" in load_file(save_adapter(network, tmp_path / "a.safetensors"))


@pytest.mark.parametrize("wrapper", CHANGING)
def test_methods_come_and_go_inside(wrapper, tmp_path):
    path = save_adapter(tuned(), tmp_path / "a.safetensors")
    other = save_adapter(tune(vit(), BitFit()), tmp_path / "b.safetensors")
    network = vit()
    wrapped = CHANGING[wrapper](network)
    plain = {key: value.clone() for key, value in network.state_dict().items()}
    assert tune(wrapped, LoRA(rank=2)) is wrapped and is_tuned(network)
    wrapped.train()
    assert network.vit.blocks[0].attn.qkv.tuner.training and not network.vit.blocks[0].attn.qkv.base.training
    assert untune(wrapped) is wrapped and not is_tuned(network)
    assert load_adapter(wrapped, path) is wrapped and network.tuning.method == LoRA(rank=2)
    with pytest.raises(TuningError, match="already tuned"):
        load_adapter(wrapped, path)
    assert swap_adapter(wrapped, other) is wrapped and network.tuning.method == BitFit()
    untune(wrapped)
    assert all(torch.equal(value, plain[key]) for key, value in network.state_dict().items() if key.startswith("vit."))


def test_a_distributed_network_is_changed_before_it_is_wrapped(tmp_path, process_group):
    # It synchronises the parameters that it was made with: those of a tuner would drift apart in silence.
    path = save_adapter(tuned(), tmp_path / "a.safetensors")
    plain, wrapped = DistributedDataParallel(vit()), torch.compile(DistributedDataParallel(tuned()))
    for change, name in (
        (lambda: tune(plain, LoRA()), "tune"),
        (lambda: load_adapter(plain, path), "load_adapter"),
        (lambda: swap_adapter(wrapped, path), "swap_adapter"),
        (lambda: untune(wrapped), "untune"),
    ):
        with pytest.raises(TuningError, match=f"{name}: DistributedDataParallel does not follow .* then wrap it"):
            change()
    assert not is_tuned(plain) and is_tuned(wrapped)
