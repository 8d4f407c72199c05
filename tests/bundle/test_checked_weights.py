"""Hosts that read ``models/model.pt`` by torch.load alone get no damage out of it."""

import copy

import pytest
import torch

from dvpt_monai import save_adapter
from dvpt_monai.bundle import checks_weights
from dvpt_monai.bundle.checked_weights import HOSTS, check_beginning
from dvpt_monai.errors import CheckpointError, reason
from dvpt_monai.ship.network import network_of

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's, that configs run code
LABEL, DEPLOY = HOSTS
READING = "import torch\ndef load(network, {0}):\n    network.load_state_dict(torch.load({0}), strict={1})\n"


def host(module, strict=False):
    """What stands in for a host: a function of its module that reads a file as the host does."""
    space = {"__name__": module}
    exec(READING.format(HOSTS.get(module, "path"), strict), space)
    return space["load"]


@pytest.fixture
def bundle(fundus, tmp_path):
    """The network of a bundle, and a whole checkpoint of it."""
    network = network_of(fundus.root)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    return network, tmp_path / "model.pt"


def flip(path):
    """A bit in the middle of the largest tensor."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 64
    path.write_bytes(content)


@pytest.mark.parametrize("module", [LABEL, DEPLOY])
def test_a_whole_file_is_loaded_and_a_flipped_bit_is_refused(bundle, module):
    network, path = bundle
    other = copy.deepcopy(network)  # as MONAI Label does for each device
    torch.nn.init.zeros_(other.head.weight)
    host(module)(other, str(path))
    assert torch.equal(other.head.weight, network.head.weight)
    flip(path)
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged: the checksum of"):
        host(module)(other, str(path))


def test_without_the_look_the_flipped_bit_passes(bundle):
    network, path = bundle
    flip(path)
    before = [value.clone() for value in network.state_dict().values()]
    host("some.other.host")(network, str(path))
    assert any(not torch.equal(one, two) for one, two in zip(before, network.state_dict().values(), strict=True))


def test_what_is_missing_or_no_number_or_of_another_epoch_is_refused(bundle):
    network, path = bundle
    whole = network.state_dict()
    torch.save({key: value for key, value in whole.items() if "tuner" not in key}, path)
    absent = sum("tuner" in key for key in whole)
    with pytest.raises(CheckpointError, match=rf"lacks .*tuner.* and {absent - 1} other tensors"):
        host(LABEL)(network, str(path))
    torch.save({"model": {**whole, "head.bias": torch.full_like(whole["head.bias"], torch.nan)}}, path)
    with pytest.raises(CheckpointError, match=r"head\.bias holds NaN"):
        host(LABEL)(network, str(path))
    torch.save(whole, path)
    save_adapter(network, path.with_name("adapter.safetensors"))
    host(LABEL)(network, str(path))
    torch.save({**whole, "head.bias": whole["head.bias"] + 1}, path)
    with pytest.raises(CheckpointError, match=r"not of the same epoch: head\.bias differs"):
        host(LABEL)(network, str(path))


def test_what_no_host_loads_is_not_looked_at():
    network = torch.nn.Linear(1, 1)
    assert checks_weights(network) is network
    network.load_state_dict({"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
    assert network.weight.item() == 1.0


def handlers(path):
    return [{"_target_": "CheckpointLoader", "load_path": str(path), "load_dict": {"model": "$@network"}}]


def test_a_training_does_not_begin_from_damage(bundle):
    _, path = bundle
    check_beginning({"train#handlers": handlers(path)})
    check_beginning({"train#handlers": handlers(path.with_name("gone.pt"))})  # MONAI's handler says that itself
    check_beginning({"train#handlers": "@own", "train": {"handlers": "@own"}})
    flip(path)
    for config in ({"train#handlers": handlers(path)}, {"train": {"handlers": handlers(path)}}):
        with pytest.raises(CheckpointError, match="is damaged"):
            check_beginning(config)


def test_monai_label_hands_over_its_beginning(fundus, bundle):
    """As its server does, through ``monai.bundle.run``."""
    import monai.bundle

    _, path = bundle
    flip(path)
    given = {"train#handlers": handlers(path), "dataset_dir": str(fundus.data), "device": "cpu"}
    with pytest.raises(RuntimeError, match="check_options") as raised:
        monai.bundle.run(config_file=fundus.config("train")[0], **given)
    assert isinstance(reason(raised.value), CheckpointError) and "is damaged" in str(reason(raised.value))
