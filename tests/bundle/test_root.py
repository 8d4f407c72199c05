"""bundle_root without being told: whoever resolves the config, from wherever it is called."""

import json
import os
import warnings

import pytest

from dvpt_monai.bundle import root
from dvpt_monai.errors import BundleError


@pytest.fixture
def bundle(tmp_path):
    """A bundle whose only content is its root."""
    configs = tmp_path / "my bundle" / "configs"
    configs.mkdir(parents=True)
    content = {
        "imports": ["$import dvpt_monai.bundle as bundle", "$import torch"],
        "bundle_root": "$bundle.root()",
        "network_def": "$torch.nn.Conv2d(1, 1, 1 if @bundle_root else 0)",
        "run": ["$print(@bundle_root)"],
    }
    (configs / "train.json").write_text(json.dumps(content))
    (configs / "more.json").write_text(json.dumps({"other": 1}))
    image = {"type": "image", "format": "x", "num_channels": 1, "spatial_shape": [4, 4], "dtype": "float32"}
    formats = {"inputs": {"image": image}, "outputs": {"pred": image}}
    (configs / "metadata.json").write_text(json.dumps({"network_data_format": formats}))
    return configs.parent


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def workflow(*files):
    from monai.bundle import ConfigWorkflow

    made = ConfigWorkflow(list(files), workflow_type="train", logging_file=False)
    made.initialize()
    return made.bundle_root


def test_workflow_from_another_folder(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert workflow(str(bundle / "configs" / "train.json")) == str(bundle)


@pytest.mark.parametrize("start", [".", "configs", "configs/.."])
def test_workflow_with_relative_paths(bundle, monkeypatch, start):
    monkeypatch.chdir(bundle / start)
    file = os.path.relpath(bundle / "configs" / "train.json")
    assert workflow(file, os.path.relpath(bundle / "configs" / "more.json")) == str(bundle)


def test_run_prints_it(bundle, tmp_path, monkeypatch, capsys):
    from monai.bundle import run

    monkeypatch.chdir(tmp_path)
    run(config_file=str(bundle / "configs" / "train.json"))
    assert str(bundle) in capsys.readouterr().out.splitlines()


def test_an_override_wins(bundle, tmp_path, capsys):
    from monai.bundle import run

    run(config_file=str(bundle / "configs" / "train.json"), bundle_root=str(tmp_path))
    assert str(tmp_path) in capsys.readouterr().out.splitlines()


def test_several_files_in_one_string(bundle, capsys):
    from monai.bundle import verify_net_in_out

    configs = bundle / "configs"
    files = f"{configs / 'train.json'},{configs / 'more.json'}"
    verify_net_in_out("network_def", str(configs / "metadata.json"), files, device="cpu")


def test_verify_from_another_folder(bundle, tmp_path, monkeypatch):
    from monai.bundle import verify_net_in_out

    monkeypatch.chdir(tmp_path)
    configs = bundle / "configs"
    verify_net_in_out("network_def", str(configs / "metadata.json"), str(configs / "train.json"), device="cpu")


@pytest.mark.parametrize("path", ["", "models/model.ts"])
def test_the_operator_of_monai_deploy(bundle, path):
    """It hands the parser no file, but knows the bundle's folder or network, which may not be there yet."""
    module = {"__name__": "monai.deploy.operators.monai_bundle_inference_operator", "root": root}
    exec("class Operator:\n    def compute(self):\n        return root()", module)
    operator = module["Operator"]()
    operator.bundle_path = bundle / path
    assert operator.compute() == str(bundle)
    operator.bundle_path = None
    with pytest.raises(BundleError, match="bundle_root"):
        operator.compute()


def test_a_bare_parser_is_told_what_to_do(bundle):
    from monai.bundle import ConfigParser

    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "train.json"))
    with pytest.raises(RuntimeError) as error:
        parser.get_parsed_content("bundle_root")
    assert 'parser["bundle_root"]' in str(error.value.__cause__)
    with pytest.raises(BundleError, match="bundle_root"):
        root()
