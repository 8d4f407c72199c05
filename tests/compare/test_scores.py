"""Paired intervals against their formula."""

from dataclasses import replace

import numpy as np
import pytest

from dvpt_monai.compare.printed import cells
from dvpt_monai.compare.scores import Scores, difference, scores
from dvpt_monai.compare.study import Study
from dvpt_monai.metrics import resample

GOOD = np.array([1.0, 1, 1, 1, 1, 0, 1, 1])
BAD = np.array([1.0, 0, 1, 0, 1, 0, 1, 0])
"""Which of eight cases two methods have right: 3 of 8 are right by the first alone."""


def of(name, *hits):
    """A method whose runs, one a seed, had these cases right."""
    weights = resample(8).numpy()
    return Scores(
        name,
        1.0,
        "accuracy",
        values={seed: float(each.mean()) for seed, each in enumerate(hits)},
        resampled={seed: weights @ each / 8 for seed, each in enumerate(hits)},
        cases=8,
        training_cases=40,
        row={},
    )


def test_a_difference_is_paired_by_the_cases():
    gap, ends = difference(of("good", GOOD), of("bad", BAD))
    by_hand = resample(8).numpy() @ (GOOD - BAD) / 8
    assert gap == pytest.approx(3 / 8)
    assert (ends.low, ends.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))
    assert ends.low >= 0  # no case is right by the second alone: no resample has it ahead
    alone = of("good", GOOD).interval, of("bad", BAD).interval
    assert alone[0].low < alone[1].high  # where single intervals overlap


def test_seeds_are_drawn_too_and_the_same_for_both():
    good, bad = of("good", GOOD, BAD), of("bad", BAD, BAD[::-1])
    gap, ends = difference(good, bad)
    drawn, weights = resample(2, seed=1).numpy(), resample(8).numpy()
    first, second = weights @ (GOOD - BAD) / 8, weights @ (BAD - BAD[::-1]) / 8
    by_hand = (drawn[:, 0] * first + drawn[:, 1] * second) / 2
    assert gap == pytest.approx(((GOOD - BAD).mean() + 0) / 2)
    assert (ends.low, ends.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))


def test_a_seed_that_one_of_them_lacks_is_left_out():
    gap, ends = difference(of("good", GOOD, GOOD, BAD), of("bad", BAD))
    assert gap == pytest.approx(3 / 8) and ends == difference(of("good", GOOD), of("bad", BAD))[1]


def test_nothing_in_common_is_no_difference():
    gap, ends = difference(of("good"), of("bad", BAD))
    assert np.isnan(gap) and not ends


def test_a_difference_that_there_is_not_is_a_dash():
    """A case alone has no kappa, and so no run of it has a value to compare."""
    row = {"method_parameters": "0", "memory_mb": "", "seconds": ""}
    alone = [replace(of(name, GOOD), values={0: float("nan")}, row=row) for name in ("one", "other")]
    assert [line["minus one [95 %]"] for line in cells(alone)] == ["", "-"]
    both = [replace(of("good", GOOD), row=row), replace(of("bad", BAD), row=row)]
    assert cells(both)[1]["minus good [95 %]"].startswith("-0.375 [")


def test_a_metric_without_resamples_has_no_interval():
    assert of("good", GOOD).interval
    assert not replace(of("good", GOOD), resampled={}).interval


def saved(tmp_path, row, run, value, resampled):
    folder = tmp_path / "runs" / run.key
    folder.mkdir(parents=True)
    np.save(folder / "resampled.npy", np.asarray(resampled, dtype=float))
    return row(run, value)


def test_rows_become_scores(tmp_path, study, row):
    rows = [
        saved(tmp_path, row, run, 0.1 * number, [0.1 * number] * 4)
        for number, run in enumerate(study(trials=1, seeds=2).ready({}))
    ]
    first, second = scores(rows, tmp_path)
    assert (first.method, second.method) == ("DVPT", "LinearProbe")
    assert first.values == pytest.approx({0: 0.0, 1: 0.1}) and second.value == pytest.approx(0.25)
    assert first.cases == 10 and second.resampled[1].tolist() == pytest.approx([0.3] * 4)


def test_folds_are_averaged_and_their_cases_added(tmp_path, study, row):
    several: Study = study(trials=1, seeds=2, score="folds", folds=2)
    rows = [saved(tmp_path, row, run, run.fold + run.seed, [run.fold + run.seed] * 3) for run in several.ready({})[:4]]
    [only] = scores(rows, tmp_path)
    assert only.values == {0: 0.5, 1: 1.5} and only.cases == 20
    assert only.resampled[1].tolist() == [1.5] * 3
    [partial] = scores(rows[:3], tmp_path)
    assert partial.values == {0: 0.5}  # the other seed lacks a fold, and its mean would be of other cases


def test_what_failed_has_no_score(tmp_path, study, row):
    [run, *_] = study(trials=1).ready({})
    assert scores([row(run, error="TuningError: no")], tmp_path) == []
