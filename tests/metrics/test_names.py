"""Names that trackers take, and that stay apart."""

import re

import pytest

from dvpt_monai.metrics import metric_names

MLFLOW = re.compile(r"^[/\w.\- :]*$")
TENSORBOARD = re.compile(r"^[-/\w.]+$")


@pytest.mark.parametrize(
    "names",
    [["tumour (>50 %) & core"], ["a b", "a_b", "a/b"], ["", "()"], ["Läsion", "病变"], ["../up", "/root", "a:b", "."]],
)
def test_trackers_take_every_name(names):
    fitted = metric_names("dice", names)
    assert len(set(fitted)) == len(names)
    for name in fitted:
        assert MLFLOW.match(name) and TENSORBOARD.match(name) and ".." not in name.split("/")
    validation = pytest.importorskip("mlflow.utils.validation", reason="pip install dvpt_monai[tracking]")
    for name in fitted:
        validation._validate_metric_name(name)


def test_fit_names_stay_and_others_are_said_once(caplog):
    caplog.set_level("INFO")
    assert metric_names("dice", ["MA", "left-lung.1"]) == ["dice_MA", "dice_left-lung.1"] and not caplog.text
    for measure in ("dice", "hd95_mm"):
        metric_names(measure, ["only here %"])
    assert caplog.text.count("metrics name 'only here %' as 'only_here'") == 1


def test_mlflow_refuses_what_was_not_made_fit():
    """The control of the first test."""
    assert not MLFLOW.match("dice_tumour (>50 %) & core")
