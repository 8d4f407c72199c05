"""Metrics over several labels: scikit-learn's values, what has no score, and processes with unequal shares."""

import logging
import warnings

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from monai.metrics import compute_average_precision
from sklearn.metrics import average_precision_score, roc_auc_score

from dvpt_monai.metrics import MeanAUC, MeanAveragePrecision

NAMES = ["nodule", "edema", "rib", "TB"]
BOTH = pytest.mark.parametrize(
    ("metric", "oracle"), [(MeanAveragePrecision, average_precision_score), (MeanAUC, roc_auc_score)]
)


def draw(cases=60, labels=4, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    truth = (rng.random((cases, labels)) < 0.3).astype(int)
    said = rng.random((cases, labels)) + 0.3 * truth
    return (said.round(1) if ties else said).astype(np.float32), truth


def fed(metric, said, truth, sizes=(7, 20, 33)):
    """The metric after batches of these sizes, as lists of cases, which MONAI's engines give."""
    first = 0
    for size in sizes:
        part = slice(first, first + size)
        metric(list(torch.tensor(said[part])), list(torch.tensor(truth[part])))
        first += size
    return metric


@BOTH
@pytest.mark.parametrize("ties", [False, True])
def test_scores_are_scikit_learns(metric, oracle, ties):
    said, truth = draw(ties=ties)
    found = fed(metric(NAMES), said, truth)
    expected = [oracle(truth[:, place], said[:, place]) for place in range(4)]
    assert list(found.scores().values()) == pytest.approx(expected, abs=1e-6)
    assert float(found.aggregate()) == pytest.approx(np.mean(expected), abs=1e-6)


@BOTH
def test_a_label_without_a_positive_case_is_named_and_left_out(metric, oracle, caplog):
    said, truth = draw()
    truth[:, 1], truth[:, 3] = 0, 1
    found = fed(metric(NAMES), said, truth)
    with caplog.at_level(logging.WARNING):
        mean = float(found.aggregate())
    assert mean == pytest.approx(np.mean([oracle(truth[:, place], said[:, place]) for place in (0, 2)]), abs=1e-6)
    assert np.isnan([found.scores()[name] for name in ("edema", "TB")]).all()
    assert "edema, TB" in caplog.text and "nodule" not in caplog.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # negative control: MONAI's own mean has no value
        assert np.isnan(compute_average_precision(torch.tensor(said), torch.tensor(truth)))


@BOTH
def test_no_label_with_a_score_is_no_mean(metric, oracle):
    said, truth = draw()
    assert torch.isnan(fed(metric(NAMES), said, 0 * truth).aggregate())


@BOTH
def test_a_single_label(metric, oracle):
    said, truth = draw(labels=1)
    assert float(fed(metric(["tumor"]), said, truth).aggregate()) == pytest.approx(oracle(truth[:, 0], said[:, 0]))


def test_a_second_run_starts_afresh():
    metric = MeanAveragePrecision(NAMES)
    fed(metric, *draw(seed=1)).reset()
    said, truth = draw(seed=2)
    expected = average_precision_score(truth, said)
    assert float(fed(metric, said, truth).aggregate()) == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_scored():
    metric = MeanAveragePrecision(NAMES)
    with pytest.raises(ValueError, match="no cases"):
        metric.aggregate()
    with pytest.raises(ValueError, match="4 names"):
        metric(torch.rand(3, 5), torch.ones(3, 5))
    with pytest.raises(ValueError, match="no labels"):
        metric(torch.rand(3, 4))
    metric(torch.rand(3, 4), torch.full((3, 4), 0.5))
    with pytest.raises(ValueError, match="0 or 1"):
        metric.aggregate()
    metric.reset()
    metric(torch.full((3, 4), torch.nan), torch.ones(3, 4))
    with pytest.raises(ValueError, match="NaN"):
        metric.aggregate()


def measure(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    said, truth = draw()
    mine = slice(0, 13) if rank == 0 else slice(13, 60)  # alone, the first process has no case of the last label
    truth[:13, 3] = 0
    for metric in (MeanAveragePrecision(NAMES), MeanAUC(NAMES)):
        value = fed(metric, said[mine], truth[mine], sizes=(5, 8) if rank == 0 else (20, 20, 7)).aggregate()
        (folder / f"{type(metric).__name__}{rank}").write_text(str(float(value)))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_with_unequal_shares(tmp_path):
    mp.spawn(measure, (tmp_path,), nprocs=2)
    said, truth = draw()
    truth[:13, 3] = 0
    for name, oracle in (("MeanAveragePrecision", average_precision_score), ("MeanAUC", roc_auc_score)):
        values = [float((tmp_path / f"{name}{rank}").read_text()) for rank in (0, 1)]
        assert values == pytest.approx([oracle(truth, said)] * 2, abs=1e-6)
