"""Photographs under structures that may overlap, and the table of their AUPR."""

import csv

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from torch import nn

from dvpt_monai.errors import BundleError
from dvpt_monai.handlers import AUPRTable, OverlayFigure
from dvpt_monai.metrics import PixelAUPR, aupr_interval
from dvpt_monai.reports.pictures import painted

NAMES = ["MA", "EX"]


def image(name, shape=(3, 20, 24)):
    return MetaTensor(torch.rand(shape), meta={"filename_or_obj": f"/eyes/{name}.jpg"})


class First(nn.Module):
    def forward(self, x):
        return x[:, :2]


def segment(handlers, cases=3, keep=slice(None)):
    generator = torch.Generator().manual_seed(0)
    data = []
    for i in range(cases):
        x = image(f"case{i}")
        noise = torch.rand(2, 20, 24, generator=generator)
        label = torch.zeros(2, 20, 24)
        label[keep] = (x[:2] * 0.7 + noise * 0.3 > 0.6).float()[keep]
        data.append({"image": x, "label": label})
    metric = IgniteMetricHandler(PixelAUPR(NAMES), output_transform=from_engine(["pred", "label"]))
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data)), network=First(), key_val_metric={"aupr": metric},
        val_handlers=handlers,
    )  # fmt: skip
    evaluator.run()
    return evaluator


def test_overlays_are_drawn(tmp_path):
    handler = OverlayFigure(tmp_path / "p.png", NAMES, cases=2, note="PHANTOM DATA")
    segment([handler])
    assert imread(tmp_path / "p.png").std() > 0.05
    assert [kept[0] for kept in handler._kept] == ["case0", "case2"]
    without = OverlayFigure(tmp_path / "q.png", NAMES, cases=2, truth=False)
    segment([without])
    assert imread(tmp_path / "q.png").shape[1] * 3 == pytest.approx(imread(tmp_path / "p.png").shape[1] * 2, abs=6)


def test_colours_come_back_and_masks_lie_where_they_are():
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
    colours, masks = torch.rand(3, 8, 10), torch.zeros(2, 8, 10)
    masks[0, 1, 2], masks[1, 1:4, 2:5] = 1, 1
    normal = (colours - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    handler = OverlayFigure("p.png", NAMES, mean=mean, std=std)
    name, picture, [truth], said = handler.keep({"image": normal, "label": 0 * masks}, {"pred": masks})
    np.testing.assert_allclose(picture, colours.permute(1, 2, 0), atol=1e-6)
    assert name == "" and not truth.any() and np.array_equal(said, masks)
    under_masks = painted(picture, said)
    changed = np.abs(under_masks - picture).max(2) > 0.02
    assert changed[1:4, 2:5].mean() > 0.8 and changed.sum() <= 9
    cyan, blue = (np.array(value) / 255 for value in ((0, 229, 255), (47, 91, 255)))
    np.testing.assert_allclose(
        under_masks[1, 2], 0.2 * picture[1, 2] + 0.8 * cyan
    )  # the first is seen above the second
    np.testing.assert_allclose(under_masks[3, 4], 0.2 * picture[3, 4] + 0.8 * blue)


def test_masks_of_the_original_size_keep_their_smallest_spots():
    masks = torch.zeros(2, 80, 100)
    masks[0, 33, 71] = 1
    handler = OverlayFigure("p.png", NAMES, pred="masks", truth=False)
    _, picture, truth, said = handler.keep({"image": torch.rand(1, 8, 10)}, {"masks": masks})
    assert picture.shape == (8, 10, 3) and truth == []
    assert np.argwhere(said).tolist() == [[0, 3, 7]]


def read(path):
    with path.open(newline="") as file:
        return {row["structure"]: row for row in csv.DictReader(file)}


def test_the_table_holds_each_structure_and_the_mean(tmp_path):
    evaluator = segment([AUPRTable(tmp_path / "a.csv", "aupr", NAMES, samples=200)], cases=6)
    rows = read(tmp_path / "a.csv")
    assert list(rows) == [*NAMES, "mean"]
    counts = evaluator.state.metric_details["aupr"]
    low, high, of_mean = aupr_interval(counts, samples=200)
    for place, name in enumerate(NAMES):
        row = {key: float(value) for key, value in rows[name].items() if key != "structure"}
        assert (row["low"], row["high"]) == pytest.approx((float(low[place]), float(high[place])), abs=1e-5)
        assert row["low"] <= row["aupr"] <= row["high"] and 0 <= row["binning"] < 0.01
        assert row["share"] == pytest.approx(float(counts[:, place, 1].sum() / (6 * 480)), abs=1e-5)
        assert row["images"] == 6
    assert float(rows["mean"]["aupr"]) == pytest.approx(evaluator.state.metrics["aupr"], abs=1e-5)
    assert [float(rows["mean"][name]) for name in ("low", "high")] == pytest.approx(of_mean, abs=1e-5)


def test_an_absent_structure_has_no_value(tmp_path):
    segment([AUPRTable(tmp_path / "a.csv", "aupr", NAMES, samples=20)], keep=slice(1, 2))
    rows = read(tmp_path / "a.csv")
    assert (rows["MA"]["aupr"], rows["MA"]["low"], rows["MA"]["images"]) == ("", "", "0")
    assert rows["mean"]["aupr"] == rows["EX"]["aupr"] != ""


def test_the_table_of_an_unknown_metric(tmp_path):
    with pytest.raises(BundleError, match="kappa"):
        segment([AUPRTable(tmp_path / "a.csv", "kappa", NAMES)])
