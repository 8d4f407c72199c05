"""What is evaluated or predicted with must be what was trained."""

import json

import pytest
from monai.bundle import ConfigParser

from dvpt_monai import DVPT, LoRA, ViTClassifier, save_adapter, tune
from dvpt_monai.bundle.option_values import check_value
from dvpt_monai.bundle.trained_settings import check_trained, method_option, trained_method
from dvpt_monai.bundle.trained_settings import trained as trained_setting
from dvpt_monai.errors import AdapterError, BundleError, reason
from dvpt_monai.tuning.header import read_adapter, write_adapter
from tests.conftest import BUNDLES


def warned(caplog):
    return [record.message for record in caplog.records if record.name == "dvpt_monai.bundle.trained_settings"]


def test_nothing_is_said_of_the_same_settings(trained, tmp_path, caplog):
    trained.run("train", "evaluate", output_dir=str(tmp_path))
    trained.run("inference", output_dir=str(tmp_path))
    assert not warned(caplog)


@pytest.mark.parametrize(
    "method",
    [{"_target_": "dvpt_monai.SideDVPT", "temperature": 0.5}, {"_target_": "dvpt_monai.LinearProbe"}, "LoRA"],
    ids=["argument", "dictionary", "name"],
)
@pytest.mark.parametrize("configs", [("train", "evaluate"), ("inference",)])
def test_another_method_is_refused_with_what_to_add(trained_fundus, method, configs, tmp_path):
    """Also where its tensors would fit."""
    with pytest.raises(RuntimeError) as raised:
        trained_fundus.run(*configs, method=method, output_dir=str(tmp_path))
    why = reason(raised.value)
    assert isinstance(why, BundleError) and str(why).endswith("other arguments; add --method SideDVPT")


@pytest.mark.parametrize("configs", [("train", "evaluate"), ("inference",)])
def test_another_setting_is_warned_of(trained_fundus, configs, tmp_path, caplog):
    trained_fundus.run(*configs, decision="argmax", output_dir=str(tmp_path))
    [told] = warned(caplog)
    assert told.endswith("adapter.safetensors was trained with --decision expected; it is now argmax")


@pytest.mark.bundle
def test_a_method_by_its_name(fundus, tmp_path):
    """Trained with nothing but a name; evaluated with it, and refused with another."""
    where = {"models_dir": str(tmp_path / "models"), "output_dir": str(tmp_path / "output"), "epochs": 1}
    fundus.run("train", method="LoRA", **where)
    evaluated = fundus.run("train", "evaluate", method="LoRA", **where)
    assert type(evaluated.parser.get_parsed_content("network").tuning.method).__name__ == "LoRA"
    with pytest.raises(RuntimeError) as raised:
        fundus.run("train", "evaluate", method="DVPT", **where)
    assert str(reason(raised.value)).endswith("add --method LoRA")


@pytest.mark.bundle
def test_what_a_training_changed_is_not_given_again(fundus, tmp_path, caplog):
    """The adapter tells evaluation and inference its method, its cut, its images, and how a grade is decided."""
    method = {"_target_": "dvpt_monai.DVPT", "gate": 0.1, "num_prompts": 3, "bottleneck": 2}
    changed = {"method": method, "image_size": 84, "tap": 1, "pooling": "mean", "decision": "argmax"}
    models, output = str(tmp_path / "models"), str(tmp_path / "output")
    fundus.run("train", **changed, models_dir=models, output_dir=output, epochs=1)
    runs = [
        fundus.run("train", "evaluate", models_dir=models, output_dir=output),
        fundus.run("inference", checkpoint=f"{models}/model.pt", output_dir=str(tmp_path / "predicted")),
    ]
    for each in runs:
        network = each.parser.get_parsed_content("network")
        assert network.tuning.method == DVPT(gate=0.1, num_prompts=3, bottleneck=2)
        assert len(network.vit.blocks) == 1 and network.pooling == "mean"
        now = each.parser.get_parsed_content("settings")
        assert (now["image_size"], now["tap"], now["decision"]) == (84, 1, "argmax")
    assert not warned(caplog)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("image_size", "large", "give a whole number of at least 1, such as 224"), ("decision", 3, "give .*a word")],
)
def test_what_an_adapter_tells_is_checked_by_kind_as_before(option, value, words):
    config = json.loads((BUNDLES / "fundus_dr_classification" / "configs" / "inference.json").read_text())
    assert config[option].startswith("$bundle.trained(")
    with pytest.raises(BundleError, match=words):
        check_value(option, value, config[option])
    check_value("tap", 3, config["tap"])


def test_the_option_has_what_differs_from_the_defaults():
    from dvpt_monai import EPT, BitFit, Stack

    read_back = {**LoRA().arguments(), "slices": ["q", "v"]}
    assert method_option(read_back) == method_option(LoRA().arguments()) == "--method LoRA"
    assert method_option(LoRA(rank=4).arguments()) == "--method \"{'_target_': 'dvpt_monai.LoRA', 'rank': 4}\""
    assert method_option(EPT().arguments()) == "--method EPT"
    stacked = method_option(Stack(DVPT(), BitFit()).arguments())
    assert "'dvpt_monai.Stack', 'methods': [{'method': 'DVPT'" in stacked and "{'method': 'BitFit'}" in stacked


@pytest.fixture
def models(tmp_path):
    """A trained DVPT of images of 16 pixels, as a bundle leaves it."""
    network = tune(ViTClassifier(num_classes=2, in_channels=1, img_size=16, patch_size=8, hidden_size=8, mlp_dim=8,
                                 num_layers=1, num_heads=1), DVPT())  # fmt: skip
    settings = {"image_size": 16, "spacing": (1.0, 2.0), "decision": "argmax"}
    save_adapter(network, tmp_path / "adapter.safetensors", settings, result={"task": "eyes", "phantom": True})
    return tmp_path


def test_settings_are_an_argument(models, caplog):
    """No config and no stack: what is passed is compared, in one warning for each that differs."""
    now = {"image_size": 32, "spacing": [1.0, 2.0], "decision": "argmax", "phantom": False, "unheard": 1}
    check_trained(str(models / "model.pt"), method=DVPT(), settings=now)
    [line] = warned(caplog)
    assert line.endswith("was trained with --image_size 16; it is now 32")


@pytest.mark.parametrize("method", ["LoRA", LoRA(), DVPT(temperature=0.5)])
def test_the_method_is_an_argument(models, method):
    with pytest.raises(BundleError, match=r"add --method DVPT$"):
        check_trained(str(models / "model.pt"), method=method)
    check_trained("elsewhere/model.pt", str(models / "adapter.safetensors"), method)  # an adapter brings its own


def test_the_config_that_asks_is_not_read_where_arguments_are_given(models, caplog):
    parser = ConfigParser({"method": LoRA(), "image_size": 64, "where": str(models / "model.pt")})
    parser["imports"] = ["$from dvpt_monai.bundle import check_trained"]
    parser["new"] = "$check_trained(@where, settings={'image_size': 16})"
    parser["old"] = "$check_trained(@where)"
    parser.get_parsed_content("new")
    assert not warned(caplog)
    with pytest.raises(RuntimeError) as raised:
        parser.get_parsed_content("old")
    assert isinstance(reason(raised.value), BundleError)


def test_without_an_adapter_or_a_config_nothing_is_compared(models, tmp_path, caplog):
    check_trained(str(tmp_path / "gone" / "model.pt"), method="LoRA")
    check_trained(str(models / "model.pt"))
    assert not warned(caplog)


def resealed(adapter, method=None, **settings):
    """The same adapter with other words in its header, and the sha256 that goes with them."""
    header, tensors = read_adapter(adapter)
    del header["sha256"]
    header["settings"].update(settings)
    header["method"] = method or header["method"]
    write_adapter(adapter, header, tensors)
    return str(adapter)


@pytest.mark.parametrize(
    ("name", "value", "otherwise"),
    [
        ("image_size", "large", 224),
        ("image_size", {"_target_": "os.system", "command": "touch pwned"}, 224),
        ("num_classes", True, 5),
        ("num_classes", 0, 5),
        ("decision", ["argmax"], "expected"),
        ("structures", {"a": 1}, ["MA", "EX"]),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_its_name(models, name, value, otherwise):
    path = resealed(models / "adapter.safetensors", **{name: value})
    with pytest.raises(AdapterError, match=rf"adapter.safetensors: its training had {name} .* needs .* or --{name}$"):
        trained_setting(name, path, otherwise)
    assert trained_setting(name, resealed(models / "adapter.safetensors", **{name: otherwise}), otherwise) == otherwise


def test_a_method_of_a_newer_version_is_told_with_its_file(models):
    path = models / "adapter.safetensors"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'\\"method\\": \\"DVPT\\"', b'\\"method\\": \\"DVPX\\"'))
    assert path.read_bytes() != content
    with pytest.raises(AdapterError, match=r"adapter.safetensors: method 'DVPX' is not known.* a newer version"):
        trained_method(path, "DVPT")


def test_that_nothing_tells_how_a_checkpoint_was_trained_is_said(models, caplog):
    (models / "model.pt").touch()
    check_trained(str(models / "model.pt"))
    assert not warned(caplog)
    (models / "adapter.safetensors").unlink()
    check_trained(str(models / "model.pt"))
    [line] = warned(caplog)
    assert line.startswith(f"{models / 'model.pt'}: adapter.safetensors is not there to tell how")
