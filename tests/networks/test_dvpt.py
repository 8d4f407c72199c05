"""The package's namesakes: any source and option, every argument of DVPT, in a bundle's config, saved and loaded."""

import dataclasses
import inspect
import json

import pytest
import torch
from monai.bundle import ConfigParser

from dvpt_monai import (
    DVPT,
    DVPTUNETR,
    UNETR,
    DVPTViT,
    PretrainedError,
    TuningError,
    ViTClassifier,
    ViTEncoder,
    load_adapter,
    save_adapter,
    swap_adapter,
    untune,
)

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "patch_size": 8, "num_layers": 3}
VIT = {"num_classes": 2, "in_channels": 1, "img_size": 16, **SMALL}
VOLUMES = {"in_channels": 1, "out_channels": 2, "img_size": 16, "feature_size": 2, **SMALL}
NETWORKS = {"DVPTViT": (DVPTViT, ViTClassifier, VIT), "DVPTUNETR": (DVPTUNETR, UNETR, VOLUMES)}
PROMPTS = {"num_prompts": 3, "bottleneck": 4, "aggregate": "prefix", "share": 2, "layers": [0, 2], "temperature": 0.5}


def backbone(**more):
    torch.manual_seed(0)
    return ViTEncoder(**{"in_channels": 3, "img_size": 16, **SMALL, **more})


@pytest.fixture(params=NETWORKS)
def kind(request):
    return NETWORKS[request.param]


def image_of(network):
    return torch.rand(2, network.vit.in_channels, *network.vit.img_size, generator=torch.Generator().manual_seed(1))


def test_they_are_their_network_tuned_with_every_argument_of_dvpt(kind):
    cls, plain, arguments = kind
    network = cls(**arguments, **PROMPTS)
    assert isinstance(network, plain) and network.receipt is None
    assert network.tuning.method == DVPT(**{**PROMPTS, "layers": (0, 2)})
    assert network.tuning.train == tuple(network.fresh)
    assert cls(**arguments, method=DVPT.released_vit()).tuning.method == DVPT.released_vit()
    assert cls(**arguments, train=["vit.norm.*"]).tuning.train == ("vit.norm.*",)
    assert untune(network).state_dict().keys() == plain(**arguments).state_dict().keys()


def test_they_take_every_source_and_option(kind, tmp_path):
    cls, plain, arguments = kind
    own = {name: value for name, value in arguments.items() if name not in SMALL} | {"patch_size": 8, "num_heads": 2}
    state = backbone(img_size=32).state_dict()
    del state["norm.bias"]
    torch.save(state, tmp_path / "vit.pt")
    options = {
        "allow_missing": ["*norm.bias"],
        "normalization": [[0.5] * 3, [0.2] * 3],
        "inflation": "center",
        "position_resize": "antialias",
    }
    expected = plain.from_pretrained(tmp_path / "vit.pt", **own, **options)
    for network in (
        cls(tmp_path / "vit.pt", **own, **options, num_prompts=3),
        cls.from_pretrained(str(tmp_path / "vit.pt"), **own, **options, num_prompts=3),
    ):
        assert type(network) is cls and network.receipt == expected.receipt
        assert network.tuning.method == DVPT(num_prompts=3)
        filled = untune(network).state_dict()
        assert all(torch.equal(filled[key], expected.state_dict()[key]) for key in expected.receipt.loaded)
    with pytest.raises(PretrainedError, match=rf"{cls.__name__}\(\.\.\.\) itself for random weights"):
        cls.from_pretrained(None, **own)
    with pytest.raises(PretrainedError, match=r"missing: vit\.norm\.bias"):
        cls(tmp_path / "vit.pt", **own, **{**options, "allow_missing": ()})


def test_no_argument_of_dvpt_is_one_of_a_network_or_of_a_source(kind):
    cls, plain, _ = kind
    others = {name for each in (plain, ViTEncoder, cls) for name in inspect.signature(each).parameters}
    assert {"tap", "source", "img_size"} <= others
    assert not others & {field.name for field in dataclasses.fields(DVPT)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_prompt": 3}, "no argument 'num_prompt' of the network or of DVPT; did you mean num_prompts?"),
        ({"image_size": 3}, "no argument 'image_size' of the network or of DVPT; did you mean img_size?"),
        ({"xyz": 3}, "no argument 'xyz' of the network or of DVPT; the network's are activation, "),
        ({"method": DVPT(), "share": 2}, "method and share both describe the prompts"),
        ({"aggregate": "sum"}, "DVPT: aggregate must be one of"),
    ],
)
def test_what_is_no_argument_is_refused(kind, wrong, message):
    cls, _, arguments = kind
    with pytest.raises(TuningError, match=message):
        cls(**arguments, **wrong)


@pytest.mark.export
def test_they_script_and_export(kind):
    cls, _, arguments = kind
    network = cls(**arguments, **{**PROMPTS, "aggregate": "attend"}).eval()
    image = image_of(network)
    with torch.no_grad():
        expected = network(image)
        torch.testing.assert_close(torch.jit.script(network)(image), expected)
        torch.testing.assert_close(torch.export.export(network, (image,)).module()(image), expected)


@pytest.mark.filterwarnings("ignore")
def test_they_are_the_network_of_a_bundle(kind, tmp_path):
    """JSON alone, a step of training, an adapter that is saved, and loaded in both ways."""
    cls, plain, arguments = kind
    torch.save(backbone().state_dict(), tmp_path / "vit.pt")
    config = {
        "network_def": {
            "_target_": f"dvpt_monai.{cls.__name__}",
            "source": str(tmp_path / "vit.pt"),
            "normalization": [[0.5, 0.5, 0.5], [0.2, 0.2, 0.2]],
            **arguments,
            **PROMPTS,
        },
        "optimizer": {
            "_target_": "torch.optim.SGD",
            "params": "$[p for p in @network_def.parameters() if p.requires_grad]",
            "lr": 0.1,
        },
    }
    parser = ConfigParser(json.loads(json.dumps(config)))
    network, optimizer = (parser.get_parsed_content(name) for name in ("network_def", "optimizer"))
    assert type(network) is cls and network.receipt.source == "vit.pt"
    image = image_of(network)
    frozen = {name: value.clone() for name, value in network.named_parameters() if not value.requires_grad}
    before = network.eval()(image)
    network.train()(image).square().mean().backward()
    optimizer.step()
    after = network.eval()(image)
    assert not torch.equal(after, before)
    assert all(torch.equal(network.get_parameter(name), value) for name, value in frozen.items())
    save_adapter(network, tmp_path / "adapter.safetensors")

    untuned = plain.from_pretrained(tmp_path / "vit.pt", normalization=[[0.5] * 3, [0.2] * 3], **arguments)
    assert torch.equal(load_adapter(untuned, tmp_path / "adapter.safetensors").eval()(image), after)
    again = ConfigParser(json.loads(json.dumps(config))).get_parsed_content("network_def")
    assert not torch.equal(again.eval()(image), after)
    assert torch.equal(swap_adapter(again, tmp_path / "adapter.safetensors").eval()(image), after)
    with pytest.raises(TuningError, match=r"already tuned; swap_adapter"):
        load_adapter(again, tmp_path / "adapter.safetensors")
