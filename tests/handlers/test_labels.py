"""Records of images with several labels at once: table, scores of each label, figure."""

import csv
import json
import logging

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from sklearn.metrics import average_precision_score
from torch import nn

from dvpt_monai.handlers import LabelScores, LabelsFigure, MetricsTable, PredictionsTable
from dvpt_monai.metrics import MeanAveragePrecision

NAMES = ["nodule", "edema", "rib"]


class Means(nn.Module):
    """The mean of each channel as the probability of its label."""

    def forward(self, x):
        return x.mean((2, 3))


def evaluate(handlers, metric=None, cases=9, labels=True):
    """Run MONAI's evaluator over small images; no case has the second label."""
    rng = np.random.default_rng(0)
    data = []
    for i in range(cases):
        x = MetaTensor(
            torch.tensor(rng.random((3, 6, 6))), meta={"filename_or_obj": f"/data/chest/images/case {i}.png"}
        )
        truth = {"label": torch.tensor([float(i % 2), 0.0, float(i % 3 == 0)])} if labels else {}
        data.append({"image": x, **truth})
    output = from_engine(["probability", "label"])
    metric = MeanAveragePrecision(NAMES) if metric is None else metric
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data), batch_size=4), network=Means().double(),
        postprocessing=lambda case: {**case, "probability": case["pred"], "pred": case["pred"] > 0.5},
        key_val_metric={"map": IgniteMetricHandler(metric, output_transform=output)} if labels else None,
        val_handlers=handlers,
    )  # fmt: skip
    evaluator.run()
    return evaluator, data


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_has_a_column_for_each_label(tmp_path):
    _, data = evaluate([PredictionsTable(tmp_path / "p.csv", root="/data/chest/images", labels=NAMES)])
    rows = read(tmp_path / "p.csv")
    assert list(rows[0]) == ["image", *(f"label_{name}" for name in NAMES), *(f"probability_{name}" for name in NAMES)]
    assert [row["image"] for row in rows] == [f"case {i}.png" for i in range(9)]
    for row, case in zip(rows, data, strict=True):
        assert [int(row[f"label_{name}"]) for name in NAMES] == case["label"].tolist()
        said = [float(row[f"probability_{name}"]) for name in NAMES]
        assert said == pytest.approx(case["image"].mean((1, 2)).tolist(), rel=1e-5)


def test_small_probabilities_keep_their_order(tmp_path):
    table = PredictionsTable(tmp_path / "p.csv", labels=["rare"])
    said = [{"probability": torch.tensor([chance])} for chance in (1.23e-7, 1.24e-7)]
    rows = [table._several(["rare"], {}, each) for each in said]
    assert float(rows[0]["probability_rare"]) < float(rows[1]["probability_rare"])


def test_a_row_without_truth(tmp_path):
    evaluate([PredictionsTable(tmp_path / "p.csv", labels=NAMES)], labels=False)
    assert list(read(tmp_path / "p.csv")[0]) == ["image", *(f"probability_{name}" for name in NAMES)]


def test_other_names_than_labels_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        evaluate([PredictionsTable(tmp_path / "p.csv", labels=NAMES[:2])])
    assert not (tmp_path / "p.csv").exists()


def test_each_labels_score_is_written_and_the_missing_ones_are_named(tmp_path, caplog):
    metric = MeanAveragePrecision(NAMES)
    with caplog.at_level(logging.INFO):
        _, data = evaluate([LabelScores(metric, "ap"), MetricsTable(tmp_path, "/data/chest")], metric)
    truth = np.array([case["label"].tolist() for case in data])
    said = np.array([case["image"].mean((1, 2)).tolist() for case in data])
    expected = [average_precision_score(truth[:, place], said[:, place]) for place in (0, 2)]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert [metrics["ap_nodule"], metrics["ap_rib"]] == pytest.approx(expected, abs=1e-5)
    assert metrics["map"] == pytest.approx(np.mean(expected), abs=1e-5) and next(iter(metrics)) == "map"
    assert metrics["ap_edema"] is None and metrics["labels_left_out"] == "edema"
    assert read(tmp_path / "metrics.csv")[0]["labels_left_out"] == "edema"
    assert "left out of the mean: edema" in caplog.text and "nodule 0." in caplog.text


def test_labels_are_drawn(tmp_path):
    figure = LabelsFigure(tmp_path / "p.png", NAMES, cases=3, note="PHANTOM DATA", top=2)
    evaluate([figure])
    assert imread(tmp_path / "p.png").std() > 0.05
    assert [kept[0] for kept in figure._kept] == ["case 1", "case 4", "case 7"]


def test_pictures_have_their_colours_back():
    figure = LabelsFigure("p.png", NAMES, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
    colours = torch.rand(3, 4, 4)
    normal = (colours - torch.tensor([0.4, 0.5, 0.6])[:, None, None]) / torch.tensor([0.2, 0.3, 0.1])[:, None, None]
    kept = figure.keep({"image": normal}, {"probability": torch.rand(3)})
    np.testing.assert_allclose(kept[1], colours.permute(1, 2, 0), atol=1e-6)
