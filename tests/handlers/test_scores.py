"""What an evaluation comes to: scores, their tables and figures."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from torch import nn

from dvpt_monai.errors import DataError
from dvpt_monai.handlers import CasesTable, ClassScores, MetricsTable, StructureScores
from dvpt_monai.handlers.figure import name_of
from dvpt_monai.metrics import Accuracy, Dice, better, measure_structures

NAMES = ["tumour (>50 %) & core", "cyst"]
FITTED = ["tumour_50_core", "cyst"]


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def image(values, name, spacing=2.0):
    affine = torch.diag(torch.tensor([spacing, spacing, spacing, 1.0]))
    return MetaTensor(values, affine=affine, meta={"filename_or_obj": f"/data/{name}"})


def volumes(cases):
    """One-hot masks with background; the last structure is in every second case, the first in none."""
    rng = np.random.default_rng(0)
    data = []
    for number in range(cases):
        label = torch.zeros(1, 6, 6, 6)
        if number % 2:
            label[0, 1:4, 1:4, 1 : 3 + number % 3] = 2
        guess = label.clone()
        guess[0, 2, 2, 4] = float(rng.integers(0, 3))
        onehot = nn.functional.one_hot(guess[0].long(), 3).movedim(-1, 0).float()
        data.append({"image": image(onehot, f"p{number // 2}/1.2.840.{number}.nii.gz"), "label": label})
    return data


def segment(handlers, data, metric=None):
    def decide(case):
        onehot = nn.functional.one_hot(case["label"][0].long(), 3).movedim(-1, 0)
        return {**case, "pred": (case["pred"] > 0.5).float(), "label": onehot.float()}

    metric = metric or Dice(include_background=False)
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data), batch_size=2), network=nn.Identity(),
        postprocessing=decide, val_handlers=handlers, metric_cmp_fn=better,
        key_val_metric={"mean_dice": IgniteMetricHandler(metric, output_transform=from_engine(["pred", "label"]))},
    )  # fmt: skip
    evaluator.run()
    return evaluator


def test_masks_are_scored_in_mm_and_every_case_has_a_row(tmp_path):
    data = volumes(6)
    scores = StructureScores(tmp_path / "scores.png", NAMES, tolerance=2.0)
    table = CasesTable(tmp_path / "cases.csv", "structures", scores.columns)
    segment([scores, table, MetricsTable(tmp_path, "/data/x")], data)
    rows = read(tmp_path / "cases.csv")
    assert [row["case"] for row in rows] == [f"1.2.840.{number}" for number in range(6)]
    for row, case in zip(rows, data, strict=True):
        truth = torch.stack([case["label"][0] == value for value in (1, 2)])
        seen = measure_structures(case["image"][1:] > 0.5, truth, (2, 2, 2), 2.0)
        for place, name in enumerate(FITTED):
            columns = (f"dice_{name}", f"hd95_mm_{name}", f"surface_dice_{name}")
            assert [float(row[column]) for column in columns] == pytest.approx(
                seen[place, :3].tolist(), rel=1e-5, nan_ok=True
            )
            assert float(row[f"predicted_ml_{name}"]) == pytest.approx(float(seen[place, 4]) / 1000, rel=1e-5)
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["scores"]["empty_tumour_50_core"] == 6 and content["scores"]["scored_cyst"] == 3
    assert content["scores"]["dice_tumour_50_core"] is None and "dice_tumour_50_core" not in content["intervals"]
    ends = content["intervals"]["dice_cyst"]
    assert ends["low"] <= content["scores"]["dice_cyst"] == ends["value"] <= ends["high"]
    rows = {row["score"]: row for row in read(tmp_path / "scores.csv")}
    assert rows.keys() == content["scores"].keys()
    assert float(rows["dice_cyst"]["low"]) == pytest.approx(ends["low"], abs=1e-5)
    assert rows["dice_cyst"]["n"] == str(ends["n"]) and rows["empty_tumour_50_core"]["low"] == ""
    assert imread(tmp_path / "scores.png").shape[1] > 800


def test_intervals_are_drawn_by_patient_where_patients_are_known(tmp_path):
    data = [{**case, "group": f"patient {number // 2}"} for number, case in enumerate(volumes(8))]
    scores = StructureScores(tmp_path / "scores.png", NAMES)
    segment([scores, MetricsTable(tmp_path / "by", "/data/x")], data)
    segment([scores, MetricsTable(tmp_path / "not", "/data/x")], volumes(8))
    by, other = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("by", "not"))
    assert by["patients"] == 4 and "patients" not in other and by["scores"] == other["scores"]
    # each patient has one case with the structure and one without: there is one in every resample
    assert by["intervals"]["dice_cyst"]["resamples"] == 1000 > other["intervals"]["dice_cyst"]["resamples"] - 1
    assert (by["intervals"]["dice_cyst"]["n"], other["intervals"]["dice_cyst"]["n"]) == (4, 8)


def test_what_one_case_alone_has_has_no_interval(tmp_path):
    data = [*volumes(2), *volumes(1)]
    segment([StructureScores(tmp_path / "scores.png", NAMES), MetricsTable(tmp_path, "/data/x")], data)
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["scores"]["scored_cyst"] == 1 and content["mean_dice"] > 0 and content["intervals"].keys() <= {
        "false_positive_ml_cyst", "false_positive_ml_tumour_50_core"
    }  # fmt: skip


def test_a_first_value_that_is_none_is_not_the_best_for_ever():
    empty, full = volumes(1), volumes(4)
    evaluator = segment([], empty)
    assert math.isnan(evaluator.state.metrics["mean_dice"])
    evaluator.data_loader = DataLoader(Dataset(full), batch_size=2)
    evaluator.run()
    assert 0 < evaluator.state.best_metric <= 1


def classify(handlers, data):
    def decide(case):
        return {**case, "probability": case["pred"].softmax(0), "pred": case["pred"].argmax(0, keepdim=True)}

    grades = from_engine(["pred", "label"])
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data), batch_size=4), network=nn.Identity(),
        postprocessing=decide, val_handlers=handlers,
        key_val_metric={"accuracy": IgniteMetricHandler(Accuracy(), output_transform=grades)},
    )  # fmt: skip
    evaluator.run()


def cases(count=30):
    rng = np.random.default_rng(0)
    return [
        {"image": torch.from_numpy(rng.normal(size=3) + np.eye(3)[n % 3]), "label": torch.tensor([n % 3])}
        for n in range(count)
    ]


def test_classes_are_scored_and_drawn(tmp_path):
    data = cases()
    classify([ClassScores(tmp_path / "scores.png", classes=3, note="PHANTOM"), MetricsTable(tmp_path, "/d")], data)
    content = json.loads((tmp_path / "metrics.json").read_text())
    scores = content["scores"]
    probability = torch.stack([case["image"] for case in data]).softmax(1)
    truth = torch.tensor([case["label"] for case in data])
    assert scores["nll"] == pytest.approx(float(-probability.gather(1, truth[:, None]).log().mean()), abs=1e-6)
    assert scores["positive_2"] == 10 and scores["scored"] == 30
    assert content["intervals"]["ece"]["low"] < content["intervals"]["ece"]["high"]
    for name in ("auroc_0", "sensitivity_at_specificity_90_1", "brier", "kappa", "mean_average_precision"):
        ends = content["intervals"][name]
        assert ends["low"] <= ends["value"] == scores[name] <= ends["high"] and ends["low"] < ends["high"]
    assert imread(tmp_path / "scores.png").shape[1] > 1000


@pytest.mark.parametrize("given", [{}, {"classes": 2, "labels": ["a"]}])
def test_classes_or_labels(tmp_path, given):
    with pytest.raises(DataError, match="give one of them"):
        ClassScores(tmp_path / "scores.png", **given)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/a/1.2.840.113619.dcm", "1.2.840.113619"), ("/a/case.1.nii.gz", "case.1"), ("/a/1.2.840.7", "1.2.840.7")],
)
def test_names_of_cases_keep_their_dots(path, name):
    assert name_of(MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": path})) == name
