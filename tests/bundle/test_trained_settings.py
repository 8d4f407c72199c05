"""What is evaluated or predicted with must be what was trained."""

import pytest

from dvpt_monai.bundle.trained_settings import _option
from dvpt_monai.errors import BundleError, reason


def warned(caplog):
    return [record.message for record in caplog.records if record.name == "dvpt_monai.bundle.trained_settings"]


def test_nothing_is_said_of_the_same_settings(trained, tmp_path, caplog):
    trained.run("train", "evaluate", output_dir=str(tmp_path))
    trained.run("inference", output_dir=str(tmp_path))
    assert not warned(caplog)


@pytest.mark.parametrize(
    "method",
    [{"_target_": "dvpt_monai.DVPT", "temperature": 0.5}, {"_target_": "dvpt_monai.LinearProbe"}, "LoRA"],
    ids=["argument", "dictionary", "name"],
)
@pytest.mark.parametrize("configs", [("train", "evaluate"), ("inference",)])
def test_another_method_is_refused_with_what_to_add(trained_fundus, method, configs, tmp_path):
    """Also where its tensors would fit."""
    with pytest.raises(RuntimeError) as raised:
        trained_fundus.run(*configs, method=method, output_dir=str(tmp_path))
    why = reason(raised.value)
    assert isinstance(why, BundleError) and str(why).endswith("other arguments; add --method DVPT")


@pytest.mark.parametrize("configs", [("train", "evaluate"), ("inference",)])
def test_another_setting_is_warned_of(trained_fundus, configs, tmp_path, caplog):
    trained_fundus.run(*configs, decision="argmax", output_dir=str(tmp_path))
    [told] = warned(caplog)
    assert told.endswith("adapter.safetensors was trained with --decision expected; it is now argmax")


def test_a_method_by_its_name(fundus, tmp_path):
    """Trained, and then evaluated, with nothing but a name."""
    where = {"models_dir": str(tmp_path / "models"), "output_dir": str(tmp_path / "output"), "epochs": 1}
    fundus.run("train", method="LoRA", **where)
    evaluated = fundus.run("train", "evaluate", method="LoRA", **where)
    assert type(evaluated.parser.get_parsed_content("network").tuning.method).__name__ == "LoRA"
    with pytest.raises(RuntimeError) as raised:
        fundus.run("train", "evaluate", **where)
    assert str(reason(raised.value)).endswith("add --method LoRA")


def test_the_option_has_what_differs_from_the_defaults():
    from dvpt_monai import DVPT, EPT, BitFit, LoRA, Stack

    assert _option({**LoRA().arguments(), "slices": ["q", "v"]}) == _option(LoRA().arguments()) == "--method LoRA"
    assert _option(LoRA(rank=4).arguments()) == "--method \"{'_target_': 'dvpt_monai.LoRA', 'rank': 4}\""
    assert _option(EPT().arguments()) == "--method EPT"
    stacked = _option(Stack(DVPT(), BitFit()).arguments())
    assert "'dvpt_monai.Stack', 'methods': [{'method': 'DVPT'" in stacked and "{'method': 'BitFit'}" in stacked
