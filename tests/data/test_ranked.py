"""The test sets of bundles of the last release, which ask for a number of cases."""

from collections import Counter

import pytest

from dvpt_monai.data import holdout
from dvpt_monai.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:holdout:DeprecationWarning")


def cases_of(*counts, group_size=None):
    """counts[g] cases of grade g."""
    cases = [{"image": f"/eyes/{g}_{i}.jpg", "label": g} for g, count in enumerate(counts) for i in range(count)]
    if group_size:
        for place, case in enumerate(cases):
            case["group"] = f"patient {place // group_size}"
    return cases


def names(cases):
    return {case["image"] for case in cases}


def test_it_sets_the_share_of_each_grade_aside():
    cases = cases_of(134, 20, 136, 74, 49)
    test, development = holdout(cases, "test", 40), holdout(cases, "development", 40)
    assert len(test) == 40
    assert not names(test) & names(development)
    assert len(development) == 413 - 40
    count = Counter(case["label"] for case in test)
    for grade, total in enumerate((134, 20, 136, 74, 49)):
        assert abs(count[grade] - 40 * total / 413) <= 1
    assert holdout(cases[::-1], "test", 40) == test
    assert holdout(cases, "test", 40, seed=1) != test


def test_it_never_divides_a_group():
    cases = cases_of(30, group_size=4)
    test, development = holdout(cases, "test", 10), holdout(cases, "development", 10)
    assert len(test) in range(10, 14)
    assert not {case["group"] for case in test} & {case["group"] for case in development}


@pytest.mark.parametrize("size", [0, 6, 7])
def test_it_refuses_an_empty_part(size):
    with pytest.raises(DataError, match="choose 1 to 5"):
        holdout(cases_of(3, 3), "test", size)


def test_it_refuses_an_unknown_part_and_one_group():
    with pytest.raises(DataError, match="'development' or 'test'"):
        holdout(cases_of(3, 3), "validation", 2)
    with pytest.raises(DataError, match="no group for development"):
        holdout(cases_of(6, group_size=6), "test", 2)


def test_it_is_deprecated():
    with pytest.warns(DeprecationWarning, match=r"size=0\.2"):
        holdout(cases_of(5, 5), "test", 2)


def test_the_same_test_set_as_in_the_last_release():
    """What bundles of the last release test must not have trained."""
    test = holdout(cases_of(10, 5), "test", 3)
    assert [case["image"] for case in test] == ["/eyes/0_8.jpg", "/eyes/0_9.jpg", "/eyes/1_3.jpg"]
