"""Dice, where there is nothing to score."""

import math

import pytest
import torch
from monai.metrics import DiceMetric

from dvpt_monai.errors import DataError
from dvpt_monai.metrics import Dice, better, rank, resample, reweighted

NAMES = ["a", "b"]


def masks(seed=0, cases=6):
    generator = torch.Generator().manual_seed(seed)
    predicted, truth = ((torch.rand(cases, 3, 5, 5, generator=generator) < 0.5).float() for _ in range(2))
    truth[::2, 1] = 0
    return predicted, truth


def of(metric, predicted, truth):
    metric(predicted, truth)
    return metric.aggregate()


def test_where_there_is_a_structure_it_is_monais():
    predicted, truth = masks()
    assert float(of(Dice(), predicted, truth)) == pytest.approx(float(of(DiceMetric(), predicted, truth)), abs=1e-6)
    options = {"include_background": False, "reduction": "mean_batch", "return_with_label": NAMES}
    theirs = of(DiceMetric(**options), predicted, truth)
    assert of(Dice(include_background=False, names=NAMES), predicted, truth) == pytest.approx(theirs, abs=5e-5)


def test_without_one_it_has_no_value_where_monais_is_zero(caplog):
    predicted, truth = masks()
    truth[:] = 0
    assert float(of(DiceMetric(), predicted, truth)) == 0
    assert math.isnan(of(Dice(), predicted, truth)) and "no case has any structure" in caplog.text


def test_a_structure_that_no_case_has_is_named_once(caplog):
    predicted, truth = masks()
    truth[:, 1] = 0
    dice = Dice(include_background=False, names=NAMES)
    for _ in range(2):
        values = of(dice, predicted, truth)
        dice.reset()
    assert math.isnan(values["a"]) and values["b"] > 0
    assert caplog.text.count("no case has a: that Dice has no value, and chooses no network") == 1


def test_every_weighting_of_its_cases():
    predicted, truth = masks()
    mean, each = Dice(), Dice(names=["background", *NAMES])
    of(mean, predicted, truth), of(each, predicted, truth)
    weights = resample(6, 10)
    drawn = [torch.arange(6).repeat_interleave(row.long()) for row in weights]
    assert reweighted(mean, weights).tolist() == pytest.approx(
        [float(of(Dice(), predicted[row], truth[row])) for row in drawn], abs=1e-6
    )
    assert reweighted(each, weights).keys() == {"background", *NAMES}


def test_no_cases_and_other_names():
    with pytest.raises(DataError, match="no cases yet"):
        Dice().aggregate()
    with pytest.raises(DataError, match="give one each"):
        of(Dice(names=NAMES), *masks())


def test_a_value_that_is_none_is_never_better():
    nan = math.nan
    values = [nan, 0.0, nan, 0.5, 0.4, math.inf, nan]
    best = values[0]
    for value in values[1:]:
        best = value if better(value, best) else best
    assert best == 0.5 and rank(nan) == rank(math.inf) == -math.inf
