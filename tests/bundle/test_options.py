"""What a person typed wrongly is refused in one line before any work; what a config takes is not."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser, run

from dvpt_monai.bundle.option_values import check_device, check_fold, check_value
from dvpt_monai.bundle.options import check_overrides
from dvpt_monai.errors import BundleError, reason

BUNDLES = Path(__file__).parents[2] / "bundles"

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "configs" / "train.json"
    path.parent.mkdir()
    content = {
        "imports": ["$import dvpt_monai.bundle as bundle"],
        "epochs": 3,
        "fold": 0,
        "folds": 5,
        "device": "$torch.device('cpu')",
        "train": {"batch": 2},
        "initialize": ["$bundle.check_options()"],
        "run": ["$print('epochs', @epochs, @train#batch)"],
    }
    path.write_text(json.dumps(content))
    (path.parent / "metadata.json").write_text('{"version": "0.1.0"}')
    return str(path)


def refused(**options):
    with pytest.raises(Exception) as error:
        run(**options)
    assert isinstance(reason(error.value), BundleError)
    return str(reason(error.value))


def test_a_mistyped_option_is_refused_with_the_one_that_was_meant(config):
    assert "--epoch: unknown, did you mean --epochs?" in refused(config_file=config, epoch=1)


def test_an_option_like_no_other_is_refused_too(config):
    assert "--zzz: unknown." in refused(config_file=config, zzz=1)


@pytest.mark.parametrize("page", sorted(BUNDLES.glob("*/docs/README.md")), ids=lambda page: page.parents[1].name)
def test_options_that_a_bundles_page_tells_are_taken(page):
    """Those of its blocks of code that are no command, and of its text."""
    text = page.read_text(encoding="utf-8")
    blocks = [block.replace("\\\n", " ") for block in re.findall(r"```bash\n(--.*?)```", text, re.S)]
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [" ".join(span.split()) for span in re.findall(r"`(--(?:backbone#|volume )[^`]*)`", text)]
    config = ConfigParser.load_config_files(str(page.parents[1] / "configs" / "train.json"))
    for line in lines:
        words = shlex.split(line, comments=" #" in line)
        pairs = zip(words[::2], words[1::2], strict=True)
        check_overrides({option.removeprefix("--"): DefaultParseValue(value) for option, value in pairs}, config)
    assert lines


def test_the_folder_of_a_training_is_one_file_where_it_predicts(config):
    assert "checkpoint" not in refused(config_file=config, models_dir="mine/models")
    with open(config) as file:
        content = {**json.load(file), "checkpoint": "models/model.pt"}
    with open(config, "w") as file:
        json.dump(content, file)
    assert "give --checkpoint mine/models/model.pt." in refused(config_file=config, models_dir="mine/models")


@pytest.mark.parametrize("given", [{}, {"epochs": 7}, {"train#batch": 5}, {"epochs": 7, "train::batch": 5}])
def test_what_the_config_knows_is_taken(config, given, capsys):
    run(config_file=config, **given)
    batch = given.get("train#batch", given.get("train::batch", 2))
    assert f"epochs {given.get('epochs', 3)} {batch}" in capsys.readouterr().out


def test_the_names_of_mlflow_are_known_where_it_tracks(config, tmp_path, capsys):
    run(config_file=config, tracking="mlflow", experiment_name="mine", output_dir=str(tmp_path / "out"))
    assert "epochs 3" in capsys.readouterr().out
    assert "--experiment_name: unknown" in refused(config_file=config, experiment_name="mine")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"epochs": "one"}, "--epochs one: give a whole number of at least 1, such as 3"),
        ({"epochs": 0}, "--epochs 0: give a whole number of at least 1, such as 3"),
        ({"train#batch": 1.5}, "--train#batch 1.5: give a whole number of at least 1, such as 2"),
        ({"fold": 7}, "--fold 7 --folds 5: the folds are 0 to 4; give one of them"),
        ({"folds": 2, "fold": 2}, "--fold 2 --folds 2: the folds are 0 to 1; give one of them"),
        ({"device": "gpu"}, "--device gpu: no device; here are cpu"),
        ({"epochs": None}, "--epochs None: MONAI passes over None; write it as --epochs '$None'"),
    ],
)
def test_values_are_refused_before_any_work(config, given, text, capsys):
    assert refused(config_file=config, **given).startswith(text)
    assert "epochs" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("own", "good", "bad"),
    [
        (12, [1, 500, "$2 + 3", "@steps", [2, 2]], ["one", 0, -1, 2.0, True, [], [2, 0], [1.5]]),
        (0, [0, 7, -1], ["x", 0.5, False]),
        (0.25, [0, 1, 0.5, -2.0, 1e-9], ["x", True, "0.5x"]),
        (True, [True, False, "$1 > 0"], [1, 0, "yes", "true"]),
        ("image", ["path", "a b", "$name"], [3, 1.5, True, ["a"]]),
        ([48, 48, 48], [[32, 32, 32], (32, 32, 32), 32], ["32", True]),
        (["MA", "EX"], [["MA"], ("MA", "EX")], ["MA", 3]),
        (None, [1, "x", [1], True], []),
        ("$bundle.root()", [1, "x"], []),
        ("@seed", [1, "x"], []),
        ({"_target_": "dvpt_monai.DVPT"}, ["LoRA", {"_target_": "dvpt_monai.LoRA"}], []),
    ],
)
def test_a_value_is_of_the_kind_of_the_configs_own(own, good, bad):
    for value in good:
        check_value("option", value, own)
    for value in bad:
        with pytest.raises(BundleError, match="--option"):
            check_value("option", value, own)


@pytest.mark.parametrize("option", ["backbone#num_registers", "backbone::num_registers"])
def test_a_backbone_may_have_no_registers(option):
    check_value(option, 0, 4)
    for value in ("none", 0.5):
        with pytest.raises(BundleError, match=r"num_registers .*: give a whole number, such as 0"):
            check_value(option, value, 4)
    with pytest.raises(BundleError, match="of at least 1, such as 12"):
        check_value("backbone#num_layers", 0, 12)


@pytest.mark.parametrize("own", [0, "auto"])
def test_a_cache_is_a_number_or_automatic(own):
    for value in (0, 4, "auto", "$2"):
        check_value("cache_features", value, own)
    for value in ("four", "Auto", 0.5, True):
        with pytest.raises(BundleError, match=r"--cache_features .*: give a whole number, such as 0, or auto"):
            check_value("cache_features", value, own)


def test_folders_are_words():
    check_value("dataset_dir", "2024", "$data.find_data('eyes')")
    with pytest.raises(BundleError, match="""quote it twice: '"2024"'"""):
        check_value("dataset_dir", 2024, "$data.find_data('eyes')")


def test_the_own_values_of_every_config_are_taken():
    """Whatever a bundle has by default may also be typed."""
    for path in sorted(BUNDLES.glob("*/configs/*.json")):
        for name, own in json.loads(path.read_text()).items():
            if own is not None:
                check_value(name, own, own)


def test_devices_that_are_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("cpu", "$torch.device('cuda')", torch.device("cuda")):
        check_device(device)
    with pytest.raises(BundleError, match=r"--device cuda: PyTorch finds 0 CUDA devices here; give one of cpu"):
        check_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    with pytest.raises(BundleError, match=r"--device cuda:2: PyTorch finds 2 .* cpu, cuda:0, cuda:1"):
        check_device("cuda:2")


def test_folds_that_are_expressions_are_left_alone():
    check_fold("$3", 2)
    check_fold(None, None)
    check_fold(0, 1)


@pytest.fixture
def pair(config):
    """`evaluate.json`, which stands on `train.json`, beside it."""
    path = Path(config).with_name("evaluate.json")
    content = {
        "+train": {},
        "train#batch": 9,
        "checkpoint": "$'model-' + str(@epochs)",
        "initialize": [{"_target_": "dvpt_monai.bundle.check_options"}],
        "run": ["$print(@checkpoint, @train#batch)"],
    }
    path.write_text(json.dumps(content))
    return config, str(path)


def test_a_config_that_stands_on_another_says_so(pair, capsys):
    train, evaluate = pair
    text = refused(config_file=evaluate)
    assert text == f"{evaluate} alone lacks epochs; give both: --config_file \"['{train}','{evaluate}']\""
    run(config_file=[train, evaluate])
    assert "model-3 9" in capsys.readouterr().out
    assert refused(config_file=evaluate, epochs=4) == text


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*/configs/evaluate.json")), ids=lambda path: path.parts[-3])
def test_the_evaluations_of_the_bundles_stand_on_their_trainings(path):
    text = refused(config_file=str(path))
    assert text.endswith(f"give both: --config_file \"['{path.with_name('train.json')}','{path}']\"")


def test_a_word_for_what_the_config_builds_is_refused_with_the_option_that_was_meant(config):
    content = json.loads(Path(config).read_text())
    built = {"backbone": {"_target_": "dict"}, "backbone_weights": "x", "method": {"_target_": "dict"}}
    Path(config).write_text(json.dumps({**content, **built, "loss": {"_target_": "dict"}}))
    assert "did you mean --backbone_weights random?" in refused(config_file=config, backbone="random")
    assert "--loss dice: loss is a part of the config" in refused(config_file=config, loss="dice")
    given = {"loss": {"_target_": "list"}, "method": "LoRA(rank=2)", "backbone": "$dict()"}
    check_overrides(given, json.loads(Path(config).read_text()))
    assert "comes from outside" in refused(config_file=config, method="LoRA(rank=2)")  # this is no command line
