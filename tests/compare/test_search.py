import numpy as np
import pytest

from dvpt_monai.compare.search import draw, rungs, survivors
from dvpt_monai.methods import DVPT
from dvpt_monai.tuning import METHODS, Method

SPACE = {"learning_rate": (1e-4, 1e-2), "tap": [6, 9], "head_learning_rate": (1e-3, 1e-1)}


def test_one_draw_falls_into_each_part_of_a_range():
    tried = draw(SPACE, 8, [0])
    for name in ("learning_rate", "head_learning_rate"):
        low, high = SPACE[name]
        places = np.log([each[name] / low for each in tried]) / np.log(high / low)
        assert sorted((places * 8).astype(int)) == list(range(8))
    assert sorted(each["tap"] for each in tried) == [6] * 4 + [9] * 4


def test_draws_can_be_had_again_and_differ_by_seed():
    assert draw(SPACE, 4, [1, 2]) == draw(SPACE, 4, [1, 2]) != draw(SPACE, 4, [1, 3])


def test_pairs_are_not_in_step():
    tried = draw(SPACE, 64, [0])
    rates = np.log([[each["learning_rate"], each["head_learning_rate"]] for each in tried])
    assert abs(np.corrcoef(rates.T)[0, 1]) < 0.4


@pytest.mark.parametrize(("trials", "counts"), [(1, []), (2, [2]), (3, [3]), (8, [8, 4, 2]), (9, [9, 4, 2])])
def test_rungs(trials, counts):
    assert rungs(trials) == counts


def test_the_worse_half_is_dropped_by_the_mean_over_folds():
    assert survivors({0: [0.9, 0.1], 1: [0.6, 0.6], 2: [0.5, 0.5], 3: [0.7, 0.8]}) == [3, 1]


def test_what_failed_is_never_kept():
    nan = float("nan")
    assert survivors({0: [nan], 1: [nan], 2: [-1.0], 3: [nan]}) == [2]
    assert survivors({0: [0.9, nan], 1: [0.1, 0.1]}) == [1]
    assert survivors({0: [nan], 1: [nan]}) == []


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_space_of_every_method_can_be_drawn_from(name):
    for setting in draw(METHODS[name].search, 3, [0]):
        assert all(value > 0 for value in setting.values())
    for values in METHODS[name].search.values():
        assert isinstance(values, list) or 0 < values[0] < values[1]


def test_the_space_is_no_argument_of_a_method():
    assert "search" not in DVPT().arguments() and Method.search == {"learning_rate": (1e-4, 1e-2)}
