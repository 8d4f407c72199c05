"""Options that no config knows are refused; those that one knows, and MLflow's, are not."""

import json

import pytest
from monai.bundle import run

from dvpt_monai.errors import BundleError, reason

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "configs" / "train.json"
    path.parent.mkdir()
    content = {
        "imports": ["$import dvpt_monai.bundle as bundle"],
        "epochs": 3,
        "train": {"batch": 2},
        "initialize": ["$bundle.check_options()"],
        "run": ["$print('epochs', @epochs, @train#batch)"],
    }
    path.write_text(json.dumps(content))
    (path.parent / "metadata.json").write_text('{"version": "0.1.0"}')
    return str(path)


def test_a_mistyped_option_is_refused_with_the_one_that_was_meant(config):
    with pytest.raises(Exception) as error:
        run(config_file=config, epoch=1)
    assert isinstance(reason(error.value), BundleError)
    assert "--epoch: unknown, did you mean --epochs?" in str(reason(error.value))


def test_an_option_like_no_other_is_refused_too(config):
    with pytest.raises(Exception) as error:
        run(config_file=config, zzz=1)
    assert "--zzz: unknown." in str(reason(error.value))


@pytest.mark.parametrize("given", [{}, {"epochs": 7}, {"train#batch": 5}, {"epochs": 7, "train::batch": 5}])
def test_what_the_config_knows_is_taken(config, given, capsys):
    run(config_file=config, **given)
    batch = given.get("train#batch", given.get("train::batch", 2))
    assert f"epochs {given.get('epochs', 3)} {batch}" in capsys.readouterr().out


def test_the_names_of_mlflow_are_known_where_it_tracks(config, tmp_path, capsys):
    run(config_file=config, tracking="mlflow", experiment_name="mine", output_dir=str(tmp_path / "out"))
    assert "epochs 3" in capsys.readouterr().out
    with pytest.raises(Exception) as error:
        run(config_file=config, experiment_name="mine")
    assert "--experiment_name: unknown" in str(reason(error.value))
