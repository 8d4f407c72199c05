"""The intervals of an evaluation, as the table writes them."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from ignite.metrics import Accuracy as IgnitesAccuracy
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from torch import nn

from dvpt_monai.handlers import LabelScores, MetricsTable
from dvpt_monai.handlers.intervals import _places, intervals_of
from dvpt_monai.metrics import Accuracy, MeanAveragePrecision, QuadraticKappa
from dvpt_monai.metrics.kappa import Kappa

NAMES = ["nodule", "edema"]


def evaluate(handlers, cases=30, kappa=None, labels=None):
    """Run MONAI's evaluator over vectors of three scores, with a grade and two labels each."""
    rng = np.random.default_rng(0)
    kappa = QuadraticKappa(3) if kappa is None else kappa
    labels = MeanAveragePrecision(NAMES) if labels is None else labels
    data = []
    for number in range(cases):
        x = torch.from_numpy(rng.random(3) + 0.5 * np.eye(3)[number % 3])
        data.append({"image": x, "label": torch.tensor([number % 3, number % 2, 0])})  # the grade, then two labels

    def decide(case):
        return {**case, "onehot": nn.functional.one_hot(case["pred"].argmax(), 3), "probability": case["pred"][:2],
                "pred": case["pred"].argmax(keepdim=True),
                "truth": nn.functional.one_hot(case["label"][0], 3), "grade": case["label"][:1],
                "labels": case["label"][1:].float()}  # fmt: skip

    grades = from_engine(["pred", "grade"])
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data), batch_size=4), network=nn.Identity(),
        postprocessing=decide, val_handlers=handlers,
        key_val_metric={"kappa": IgniteMetricHandler(kappa, output_transform=grades)},
        additional_metrics={
            "accuracy": IgniteMetricHandler(Accuracy(), output_transform=grades),
            "ignites": IgnitesAccuracy(output_transform=from_engine(["onehot", "truth"])),
            "map": IgniteMetricHandler(labels, output_transform=from_engine(["probability", "labels"])),
        },
    )  # fmt: skip
    evaluator.run()
    return evaluator


def read(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    return row, json.loads((folder / "metrics.json").read_text())


def test_the_table_has_an_interval_beside_each_metric_that_keeps_its_cases(tmp_path):
    labels = MeanAveragePrecision(NAMES)
    evaluator = evaluate([LabelScores(labels, "ap"), MetricsTable(tmp_path, "/data/eyes")], labels=labels)
    row, content = read(tmp_path)
    assert list(row)[:6] == ["kappa", "kappa_low", "kappa_high", "accuracy", "accuracy_low", "accuracy_high"]
    assert row["cases"] == "30" and row["dataset"] == "eyes"
    assert "ignites" in row and "ignites_low" not in row  # Ignite's keeps no cases
    assert content["intervals"].keys() == {"kappa", "accuracy", "map", "ap_nodule"}
    for name, ends in content["intervals"].items():
        assert content[name] == ends["value"] == pytest.approx(evaluator.state.metrics[name], abs=1e-6)
        assert ends["low"] < ends["value"] < ends["high"] and (ends["n"], ends["resamples"]) == (30, 1000)
        assert [float(row[f"{name}_{end}"]) for end in ("low", "high")] == pytest.approx([ends["low"], ends["high"]])
    hits = torch.as_tensor(evaluator.state.metric_details["accuracy"]).numpy()[:, 0]
    drawn = np.random.default_rng(0).integers(30, size=(1000, 30))
    expected = np.quantile(hits[drawn].mean(1), [0.025, 0.975])
    assert [content["intervals"]["accuracy"][end] for end in ("low", "high")] == pytest.approx(expected, abs=1e-6)


def test_the_seed_of_the_table_decides(tmp_path):
    evaluator = evaluate([MetricsTable(tmp_path / "a", "/d", seed=1), MetricsTable(tmp_path / "b", "/d")])
    (_, one), (_, other) = read(tmp_path / "a"), read(tmp_path / "b")
    assert one["kappa"] == other["kappa"] and one["intervals"] != other["intervals"]
    assert one["intervals"]["kappa"]["low"] == pytest.approx(
        intervals_of(evaluator, [30], seed=1)["kappa"].low, abs=1e-6
    )


def test_a_single_case_has_no_interval_and_the_log_says_so(tmp_path, caplog):
    evaluate([MetricsTable(tmp_path, "/d")], cases=1)
    row, content = read(tmp_path)
    assert content["intervals"] == {} and "accuracy_low" not in row and row["accuracy"] != ""
    assert "two cases or more, there are 1" in caplog.text


class Optimist(Kappa):
    def aggregate(self):
        return super().aggregate() + 0.1


def test_an_interval_of_another_quantity_is_not_written(caplog):
    """The first weighting is of all cases once: it has to give the metric itself."""
    evaluator = evaluate([], kappa=Optimist(3))
    assert "kappa" not in intervals_of(evaluator, [30]) and "accuracy" in intervals_of(evaluator, [30])
    assert "no interval of kappa" in caplog.text


def test_resamples_without_a_value_are_told(caplog):
    evaluator = evaluate([], cases=4)
    ends = intervals_of(evaluator, [4])["map"]
    [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("few cases: ")]
    least, *most = [int(number) for number in re.findall(r"in (\d+) o[fr]", line)]
    assert line.endswith("in the others no case of its class was drawn")
    assert least <= ends.resamples <= max([least, *most]) < 1000


def test_several_processes_draw_the_same_cases():
    """Rows of rank after rank, of a data set that is dealt in turn."""
    order = _places([3, 3, 2]).tolist()
    assert order == [0, 3, 6, 1, 4, 7, 2, 5] and _places([4]).tolist() == [0, 1, 2, 3]
