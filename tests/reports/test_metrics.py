"""The files of one evaluation."""

import csv
import json
import math

import pytest

from dvpt_monai.metrics import Interval
from dvpt_monai.reports.metrics import metrics_line, write_metrics


@pytest.mark.parametrize("name", ["dice_a,b", 'dice_"a"', "dice_a\nb", "dice_ü"])
def test_any_name_comes_back_from_the_tables(tmp_path, name):
    write_metrics(tmp_path, {name: 0.5}, {name: Interval(0.4, 0.6, 9, 1000)}, {"data": name}, {name: 0.5, "n": 3})
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert {row["score"]: row["value"] for row in csv.DictReader(file)} == {name: "0.5", "n": "3"}
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert row == {name: "0.5", f"{name}_low": "0.4", f"{name}_high": "0.6", "data": name}
    assert json.loads((tmp_path / "metrics.json").read_text())["intervals"][name]["n"] == 9


def test_scores_of_an_earlier_evaluation_do_not_stay(tmp_path):
    write_metrics(tmp_path, {"dice": 0.5}, {}, {}, {"dice_a": 0.5})
    assert (tmp_path / "scores.csv").is_file()
    write_metrics(tmp_path, {"dice": 0.6}, {}, {})
    assert not (tmp_path / "scores.csv").exists()


def test_what_has_no_value_is_empty_and_null(tmp_path):
    none = Interval(math.nan, math.nan, 9, 0)
    write_metrics(tmp_path, {"auc": math.nan}, {"auc": none}, {"cases": 9}, {"auc_a": math.inf})
    assert (tmp_path / "metrics.csv").read_text() == "auc,auc_low,auc_high,cases\n,,,9\n"
    assert json.loads((tmp_path / "metrics.json").read_text())["scores"] == {"auc_a": None}
    assert metrics_line(tmp_path / "metrics.json") == "auc None, cases 9"
