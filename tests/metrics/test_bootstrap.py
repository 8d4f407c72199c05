"""Intervals against scikit-learn's scores of resamples that numpy drew, against theory, and where there are none."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import ConfusionMatrixMetric, DiceMetric, HausdorffDistanceMetric, ROCAUCMetric
from sklearn.metrics import accuracy_score, average_precision_score, cohen_kappa_score, roc_auc_score

from dvpt_monai.metrics import (
    Accuracy,
    Kappa,
    MeanAUC,
    MeanAveragePrecision,
    PixelAUPR,
    QuadraticKappa,
    interval,
    resample,
    reweighted,
)

CASES, RESAMPLES = 40, 60


def draws(cases=CASES, resamples=RESAMPLES, seed=0):
    """The same resamples as lists of cases."""
    return np.random.default_rng(seed).integers(cases, size=(resamples, cases))


def grades():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, CASES)
    return np.clip(truth + rng.integers(-1, 2, CASES), 0, 3), truth


def labelled(ties):
    rng = np.random.default_rng(2)
    truth = (rng.random((CASES, 3)) < 0.4).astype(int)
    scores = rng.random((CASES, 3)) + 0.4 * truth
    return (scores.round(1) if ties else scores).astype(np.float32), truth


@pytest.mark.parametrize(
    ("metric", "oracle"),
    [
        (Accuracy(), accuracy_score),
        (Kappa(4), cohen_kappa_score),
        (QuadraticKappa(4), lambda truth, said: cohen_kappa_score(truth, said, weights="quadratic")),
    ],
)
def test_grades_against_scikit_learn(metric, oracle):
    predicted, truth = grades()
    metric(torch.from_numpy(predicted), torch.from_numpy(truth))
    expected = [oracle(truth[drawn], predicted[drawn]) for drawn in draws()]
    np.testing.assert_allclose(reweighted(metric, resample(CASES, RESAMPLES)), expected, atol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("metric", "oracle"), [(MeanAveragePrecision, average_precision_score), (MeanAUC, roc_auc_score)]
)
def test_labels_against_scikit_learn(metric, oracle, ties):
    scores, truth = labelled(ties)
    metric = metric(["a", "b", "c"])
    metric(torch.from_numpy(scores), torch.from_numpy(truth))
    of_each = [[oracle(truth[drawn, place], scores[drawn, place]) for place in range(3)] for drawn in draws()]
    weights = resample(CASES, RESAMPLES)
    np.testing.assert_allclose(torch.stack([*metric.scores_reweighted(weights).values()]).T, of_each, atol=1e-9)
    np.testing.assert_allclose(reweighted(metric, weights), np.mean(of_each, axis=1), atol=1e-9)


def test_monais_auc_of_two_classes():
    scores, truth = labelled(ties=True)
    probability, onehot = (np.stack((1 - part[:, 0], part[:, 0]), axis=1) for part in (scores, truth))
    metric = ROCAUCMetric()
    metric(list(torch.from_numpy(probability)), list(torch.from_numpy(onehot)))
    expected = [roc_auc_score(truth[drawn, 0], scores[drawn, 0]) for drawn in draws()]
    np.testing.assert_allclose(reweighted(metric, resample(CASES, RESAMPLES)), expected, atol=1e-9)


def monais(metric, seed=3):
    """A metric of MONAI's after small masks of two structures, one of which some cases lack."""
    rng = np.random.default_rng(seed)
    truth = torch.from_numpy((rng.random((12, 2, 6, 6)) < 0.5).astype(np.float32))
    truth[::3, 1] = 0
    predicted = torch.from_numpy((rng.random((12, 2, 6, 6)) < 0.5).astype(np.float32))
    metric(predicted, truth)
    return metric, predicted, truth


@pytest.mark.parametrize(
    "make",
    [
        lambda: DiceMetric(),
        lambda: DiceMetric(reduction="mean_batch", return_with_label=["a", "b"]),
        lambda: ConfusionMatrixMetric(metric_name="accuracy"),
        lambda: ConfusionMatrixMetric(metric_name="f1 score"),
        lambda: HausdorffDistanceMetric(include_background=True),
        lambda: PixelAUPR(["a", "b"], bins=64),
        lambda: PixelAUPR(["a", "b"], bins=64, reduction="none"),
    ],
    ids=["dice", "dice of each", "accuracy", "f1", "hausdorff", "aupr", "aupr of each"],
)
def test_a_metric_fed_with_the_drawn_cases_says_the_same(make):
    metric, predicted, truth = monais(make())
    found = reweighted(metric, resample(12, 20))
    for row, drawn in enumerate(draws(12, 20)):
        again = make()
        again(predicted[drawn], truth[drawn])
        value = again.aggregate()
        expected = value if isinstance(value, dict) else {"": value[0] if isinstance(value, list) else value}
        of_each = found if isinstance(found, dict) else {"": found}
        assert {name: float(of_each[name][row]) for name in of_each} == pytest.approx(
            {name: float(value) for name, value in expected.items()},
            abs=6e-5,  # MONAI rounds to four digits
        )


def test_what_is_not_known_has_none():
    for metric in (
        DiceMetric(reduction="sum"),
        ConfusionMatrixMetric(metric_name="accuracy", compute_sample=True, reduction="none"),
    ):
        assert reweighted(monais(metric)[0], resample(12, 5)) is None
    assert reweighted(monais(DiceMetric())[0], resample(11, 5)) is None  # of other cases
    scores, truth = labelled(ties=False)
    weighted = ROCAUCMetric(average="weighted")
    weighted(list(torch.from_numpy(scores)), list(torch.from_numpy(truth)))
    assert reweighted(weighted, resample(CASES, 5)) is None


def test_the_interval_of_a_mean_is_the_normal_one():
    """And it covers the truth about as often as it says."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(60):
        values = torch.from_numpy(rng.normal(2.0, 1.0, 100))
        ends = interval(resample(100, 1000, seed) @ values / 100, 100)
        half = 1.96 * float(values.std()) / 10
        assert (ends.low, ends.high) == pytest.approx(
            (float(values.mean()) - half, float(values.mean()) + half), abs=0.05
        )
        covered += ends.low <= 2.0 <= ends.high
    assert 50 <= covered <= 60


def test_the_seed_decides():
    assert torch.equal(resample(9, seed=1), resample(9, seed=1)) and not torch.equal(resample(9, seed=1), resample(9))


def test_equal_cases_have_no_width_and_a_single_case_no_interval():
    equal = interval(torch.full((1000,), 0.75), cases=5)
    assert (equal.low, equal.high, equal.resamples) == (0.75, 0.75, 1000) and equal
    single = interval(torch.full((1000,), 0.75), cases=1)
    assert not single and math.isnan(single.low) and math.isnan(single.high)


def test_resamples_without_a_class_count_nowhere_and_are_counted():
    """One positive of three cases: 8 of 27 resamples are without it, and 1 of 27 is without any other."""
    metric = MeanAUC(["rare"])
    metric(torch.tensor([[0.5], [0.1], [0.9]]), torch.tensor([[1], [0], [0]]))
    ends = interval(reweighted(metric, resample(3, 1000)), 3)
    assert ends.resamples == pytest.approx(1000 * 18 / 27, abs=60) and (ends.low, ends.high) == (0.0, 1.0)
    never = interval(torch.full((1000,), math.nan), cases=3)
    assert not never and never.resamples == 0
    mostly = torch.full((1000,), math.nan)
    mostly[:499] = 0.5
    assert not interval(mostly, cases=3)
    mostly[499] = 0.5
    assert interval(mostly, cases=3)


def test_patients_are_drawn_with_all_of_their_cases():
    groups = ["a", "b", "a", "c", "b", "a"]
    weights = resample(6, 200, groups=groups)
    assert torch.equal(weights[:, 0], weights[:, 2]) and torch.equal(weights[:, 1], weights[:, 4])
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()
    assert torch.equal(resample(6, 20, groups=range(6)), resample(6, 20))
