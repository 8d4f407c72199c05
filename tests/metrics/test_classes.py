"""Scores of probabilities against an oracle that is written from the definitions, on random and on degenerate cases."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss

from dvpt_monai.metrics import ClassMeasures, Measured, resample

POINT = 90


def auroc(scores, truth):
    """How often a positive case is above a negative one; equal ones are half above each other."""
    pairs = [(p > n) + (p == n) / 2 for p in scores[truth == 1] for n in scores[truth == 0]]
    return np.mean(pairs)


def average_precision(scores, truth):
    total, before = 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        called = scores >= threshold
        hits = int((truth[called] == 1).sum())
        total += (hits - before) * hits / called.sum()
        before = hits
    return total / (truth == 1).sum()


def points(scores, truth):
    """Hits and correct rejections, in whole numbers, of every threshold."""
    for threshold in [*sorted(set(scores)), math.inf]:
        called = scores >= threshold
        yield int((called & (truth == 1)).sum()), int((~called & (truth == 0)).sum())


def sensitivity_at(scores, truth):
    ill, well = int((truth == 1).sum()), int((truth == 0).sum())
    return max(hits / ill for hits, rejected in points(scores, truth) if 100 * rejected >= POINT * well)


def specificity_at(scores, truth):
    ill, well = int((truth == 1).sum()), int((truth == 0).sum())
    return max(rejected / well for hits, rejected in points(scores, truth) if 100 * hits >= POINT * ill)


def ece(scores, truth, bins=10):
    ordered = np.sort(scores)
    members = [[] for _ in range(bins)]
    for score, label in zip(scores, truth, strict=True):
        middle = (np.searchsorted(ordered, score, "left") + np.searchsorted(ordered, score, "right")) / 2
        members[min(int(bins * middle / len(scores)), bins - 1)].append((score, label))
    return sum(abs(sum(score - label for score, label in each)) for each in members) / len(scores)


def kappa(said, true, count):
    table = np.zeros((count, count))
    for one, other in zip(said, true, strict=True):
        table[one, other] += 1
    table /= table.sum()
    expected = (table.sum(0) * table.sum(1)).sum()
    return math.nan if expected == 1 else (np.trace(table) - expected) / (1 - expected)


def brier(scores, truth):
    return np.mean((scores - truth) ** 2)


def nll(of_the_truth):
    least = 2.220446049250313e-16
    return np.mean([-math.log(min(max(p, least), 1 - least)) for p in of_the_truth])


RANKING = {
    "auroc": auroc,
    "average_precision": average_precision,
    f"sensitivity_at_specificity_{POINT}": sensitivity_at,
    f"specificity_at_sensitivity_{POINT}": specificity_at,
}


def oracle(probability, truth, predicted, exclusive):
    scores = {}
    count = probability.shape[1]
    for place in range(count):
        p, y = probability[:, place], truth[:, place]
        if not np.isfinite(p).all():
            of_one = dict.fromkeys([*RANKING, "ece", "brier", "nll"], math.nan)
        else:
            both = len(set(y)) == 2
            of_one = {name: score(p, y) if both else math.nan for name, score in RANKING.items()}
            of_one |= {"ece": ece(p, y), "brier": brier(p, y), "nll": nll(np.where(y == 1, p, 1 - p))}
        if not exclusive:
            of_one["kappa"] = kappa(predicted[:, place], y, 2) if np.isfinite(p).all() else math.nan
        scores |= {f"{name}_c{place}": value for name, value in of_one.items()}
    for name in of_one:
        known = [scores[f"{name}_c{place}"] for place in range(count) if not math.isnan(scores[f"{name}_c{place}"])]
        scores[f"mean_{name}"] = np.mean(known) if known else math.nan
    if exclusive and np.isfinite(probability).all():
        said, true = predicted.argmax(1), truth.argmax(1)
        scores["kappa"] = kappa(said, true, count)
        scores["ece"] = ece(probability.max(1), probability.argmax(1) == true)
        scores["brier"] = np.mean(((probability - truth) ** 2).sum(1))
        scores["nll"] = nll(probability[np.arange(len(true)), true])
    elif exclusive:
        scores |= dict.fromkeys(("kappa", "ece", "brier", "nll"), math.nan)
    return scores


def drawn_cases(seed, exclusive):
    """Few cases or many, with ties, with sure probabilities, with a class that nobody has or everybody."""
    rng = np.random.default_rng(seed)
    cases, count = int(rng.choice([1, 2, 7, 30, 60])), int(rng.integers(2, 5))
    logits = rng.normal(size=(cases, count)) * rng.choice([0.5, 3, 60])
    if exclusive:
        truth = np.eye(count, dtype=int)[rng.integers(0, max(1, count - seed % 2), cases)]
        probability = np.exp(logits + truth - (logits + truth).max(1, keepdims=True))
        probability /= probability.sum(1, keepdims=True)
        predicted = np.eye(count, dtype=int)[probability.argmax(1)]
    else:
        truth = (rng.random((cases, count)) < rng.choice([0, 0.3, 1], count)).astype(int)
        probability = 1 / (1 + np.exp(-logits))
        predicted = (probability > 0.5).astype(int)
    if seed % 3 == 0 and not exclusive:
        probability = probability.round(1)
    return probability, truth, predicted


def scored(probability, truth, predicted, exclusive):
    measures = ClassMeasures([f"c{place}" for place in range(probability.shape[1])], exclusive, POINT / 100)
    return measures, Measured(*map(torch.from_numpy, (probability, truth, predicted)))


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("seed", range(24))
def test_random_cases(seed, exclusive):
    given = drawn_cases(seed, exclusive)
    measures, cases = scored(*given, exclusive)
    values, expected = measures.values(cases), oracle(*given, exclusive)
    counts = {"scored": len(given[1]), **{f"positive_c{i}": n for i, n in enumerate(given[1].sum(0))}}
    assert values.keys() == expected.keys() | counts.keys()
    assert values == pytest.approx({**expected, **counts}, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("seed", [3, 5, 6, 9])
def test_drawn_cases_score_as_if_there_were_no_others(seed, exclusive):
    given = drawn_cases(seed, exclusive)
    measures, cases = scored(*given, exclusive)
    count = len(given[0])
    resampled = measures.reweighted(cases, resample(count, 12))
    for row, drawn in enumerate(np.random.default_rng(0).integers(count, size=(12, count))):
        expected = oracle(*(part[drawn] for part in given), exclusive)
        got = {name: float(values[row]) for name, values in resampled.items()}
        assert got == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_probability_that_is_none_leaves_its_class_without_scores(exclusive):
    probability, truth, predicted = drawn_cases(6, exclusive)
    probability[0, 1] = math.nan
    measures, cases = scored(probability, truth, predicted, exclusive)
    values = measures.values(cases)
    assert values == pytest.approx(
        {**values, **oracle(probability, truth, predicted, exclusive)}, abs=1e-6, nan_ok=True
    )
    assert all(math.isnan(values[name]) for name in values if name.endswith("_c1") and name != "positive_c1")
    assert not math.isnan(values["ece_c0"])
    resampled = measures.reweighted(cases, resample(len(truth), 5))
    assert resampled["auroc_c1"].isnan().all() and resampled["brier_c1"].isnan().all()


def test_no_cases_are_counted_and_not_scored():
    measures, cases = scored(*(np.zeros((0, 2)) for _ in range(3)), True)
    assert measures.values(cases) == {"scored": 0}


@pytest.mark.parametrize("seed", [3, 5])
def test_losses_are_those_of_scikit_learn(seed):
    probability, truth, predicted = drawn_cases(seed, True)
    measures, cases = scored(probability, truth, predicted, True)
    values = measures.values(cases)
    assert values["nll"] == pytest.approx(
        log_loss(truth.argmax(1), probability, labels=range(truth.shape[1])), abs=1e-6
    )
    assert values["brier_c0"] == pytest.approx(brier_score_loss(truth[:, 0], probability[:, 0]), abs=1e-6)


def test_equal_probabilities_share_a_bin_whatever_their_order():
    rng = np.random.default_rng(0)
    probability = rng.choice([0.1, 0.4, 0.7], 50)
    truth = (rng.random(50) < probability).astype(int)
    both = np.stack((1 - probability, probability), 1), np.stack((1 - truth, truth), 1), np.eye(2, dtype=int)[truth]
    first = scored(*both, True)
    turned = scored(*(part[::-1].copy() for part in both), True)
    one, other = (measures.values(cases) for measures, cases in (first, turned))
    assert one == pytest.approx(other, abs=1e-12)
    said, true, cases = first[0].bins_of(first[1])
    assert cases.sum() == 50 and len(said) == len(true) <= 3
    assert one["ece"] == pytest.approx((abs(said - true) * cases).sum() / 50, abs=1e-12)
