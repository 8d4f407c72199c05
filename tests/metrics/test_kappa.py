import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler
from sklearn.metrics import cohen_kappa_score

from dvpt_monai.metrics import Kappa, QuadraticKappa


def grades(seed, count=40, num_classes=5):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, count)
    said = np.clip(truth + rng.integers(-2, 3, count), 0, num_classes - 1)
    return torch.from_numpy(said), torch.from_numpy(truth)


def by_hand(said, truth, num_classes, quadratic=True):
    """1 - sum(w O) / sum(w E), in float64."""
    observed = np.zeros((num_classes, num_classes))
    for a, b in zip(truth.tolist(), said.tolist(), strict=True):
        observed[a, b] += 1
    expected = np.outer(observed.sum(1), observed.sum(0)) / observed.sum()
    distance = np.subtract.outer(np.arange(num_classes), np.arange(num_classes))
    weights = distance**2 if quadratic else distance != 0
    return 1 - (weights * observed).sum() / (weights * expected).sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_the_formula_and_scikit_learn(seed, num_classes):
    said, truth = grades(seed, num_classes=num_classes)
    metric = QuadraticKappa(num_classes)
    metric(said, truth)
    assert metric.aggregate().shape == (1,)
    assert metric.aggregate().item() == pytest.approx(by_hand(said, truth, num_classes), abs=1e-6)
    assert metric.aggregate().item() == pytest.approx(cohen_kappa_score(truth, said, weights="quadratic"), abs=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_without_an_order_every_mistake_weighs_the_same(num_classes):
    said, truth = grades(3, num_classes=num_classes)
    metric = Kappa(num_classes)
    metric(said, truth)
    assert metric.aggregate().item() == pytest.approx(by_hand(said, truth, num_classes, quadratic=False), abs=1e-6)
    assert metric.aggregate().item() == pytest.approx(cohen_kappa_score(truth, said), abs=1e-6)


def test_of_two_classes_it_is_cohens_kappa():
    said, truth = grades(0, num_classes=2)
    metric = QuadraticKappa(2)
    metric(said, truth)
    assert metric.aggregate().item() == pytest.approx(cohen_kappa_score(truth, said), abs=1e-6)


def test_classes_that_do_not_occur_change_nothing():
    said, truth = grades(1, num_classes=3)
    few, many = QuadraticKappa(3), QuadraticKappa(9)
    few(said, truth)
    many(said, truth)
    assert few.aggregate().item() == pytest.approx(many.aggregate().item(), abs=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_batches_add_up_and_a_reset_forgets(batch):
    said, truth = grades(2)
    metric = QuadraticKappa(5)
    for _ in range(2):
        for place in range(0, 40, batch):
            metric(said[place : place + batch, None], truth[place : place + batch, None])
        assert metric.aggregate().item() == pytest.approx(by_hand(said, truth, 5), abs=1e-6)
        metric.reset()
        with pytest.raises(ValueError, match="no grades yet"):
            metric.aggregate()


def test_labels_without_a_channel_fit_predictions_with_one():
    said, truth = grades(3)
    flat, mixed = QuadraticKappa(5), QuadraticKappa(5)
    flat(said, truth)
    mixed(said[:, None].float(), truth)
    assert torch.equal(flat.aggregate(), mixed.aggregate())


def test_perfect_opposite_and_undefined():
    truth = torch.tensor([0, 0, 1, 1])
    for said, kappa in ((truth, 1.0), (1 - truth, -1.0)):
        metric = QuadraticKappa(2)
        metric(said, truth)
        assert metric.aggregate().item() == kappa
    alone = QuadraticKappa(2)
    alone(torch.zeros(4), torch.zeros(4))
    assert alone.aggregate().isnan().all()


def test_what_is_no_grade_or_no_label():
    for said, truth in ((5, 0), (0, 5), (-1, 0)):
        metric = QuadraticKappa(5)
        metric(torch.tensor([said]), torch.tensor([truth]))
        with pytest.raises(ValueError, match=r"not all in 0\.\.4"):
            metric.aggregate()
    with pytest.raises(ValueError, match="got no labels"):
        QuadraticKappa(5)(torch.tensor([0]))
    with pytest.raises(ValueError, match="no grades yet"):
        QuadraticKappa(5).aggregate()


def test_in_an_engine():
    """MONAI's handler gives lists of cases, as its evaluators do, and starts afresh with every run."""
    said, truth = grades(4)
    engine = Engine(lambda engine, batch: batch)
    IgniteMetricHandler(
        metric_fn=QuadraticKappa(5), output_transform=lambda cases: tuple(map(list, zip(*cases, strict=True)))
    ).attach(engine, "kappa")
    pairs = [(said[i : i + 1], truth[i : i + 1]) for i in range(40)]
    for _ in range(2):
        engine.run([pairs[:25], pairs[25:]])
        assert float(engine.state.metrics["kappa"]) == pytest.approx(by_hand(said, truth, 5), abs=1e-6)
