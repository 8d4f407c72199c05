"""A share of the labels, and a few cases of each class: what `label_fraction` and `shots` keep, by hand."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest

from dvpt_monai.data import label_fraction, shots
from dvpt_monai.errors import DataError


def graded(counts):
    """As many cases of each class as `counts` says."""
    return [{"image": f"data/{label}/{i}.png", "label": label} for label, n in enumerate(counts) for i in range(n)]


def images(cases):
    return {case["image"] for case in cases}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_so_many_of_each_class(count):
    assert Counter(case["label"] for case in shots(graded((30, 7, 5)), count)) == dict.fromkeys(range(3), count)


def test_none_keeps_all_in_their_order():
    cases = graded((3, 2))[::-1]
    assert shots(cases, None) == cases and shots(cases, None) is not cases


@pytest.mark.parametrize("seed", range(5))
def test_fewer_are_part_of_more(seed):
    cases = graded((30, 12, 9))
    chosen = [images(shots(cases, count, seed)) for count in range(1, 9)]
    assert all(less < more for less, more in pairwise(chosen))


def test_the_order_of_the_list_plays_no_part_and_the_seed_does():
    cases = graded((30, 12))
    expected = shots(cases, 4, seed=1)
    mixed = random.Random(0).sample(cases, len(cases))
    assert shots(mixed, 4, seed=1) == expected
    assert images(shots(cases, 4, seed=2)) != images(expected)


def test_every_case_can_be_chosen():
    cases = graded((6, 6))
    assert set().union(*(images(shots(cases, 2, seed)) for seed in range(30))) == images(cases)


def test_groups_are_kept_whole_and_count_as_one():
    cases = [{"image": f"data/{p}_{i}.png", "label": p % 2, "group": f"p{p}"} for p in range(10) for i in range(p + 1)]
    chosen = shots(cases, 2)
    patients = Counter(case["group"] for case in chosen)
    assert len(patients) == 4 and Counter(int(group[1:]) % 2 for group in patients) == {0: 2, 1: 2}
    assert all(count == int(group[1:]) + 1 for group, count in patients.items())  # with all their images


def test_a_group_counts_for_each_of_its_classes():
    cases = [{"image": f"data/{i}.png", "label": i % 2, "group": f"p{i // 2}"} for i in range(20)]
    assert len(shots(cases, 3)) == 6  # three patients, each with both classes


def test_several_labels():
    """Greedy by hand: a case is kept while one of its labels is short; no label is a class of its own."""
    cases = [{"image": f"data/{i:02d}.png", "label": [int(i % k == 0) for k in (2, 3, 5)]} for i in range(1, 31)]
    for count in (1, 2, 3):
        chosen = shots(cases, count)
        held = Counter(place for case in chosen for place in [k for k in range(3) if case["label"][k]])
        assert all(held[place] >= count for place in range(3))
        assert sum(case["label"] == [0, 0, 0] for case in chosen) == count
        for left in [case for case in cases if case not in chosen]:  # whatever is left out has no short label
            assert all(held[place] >= count for place in range(3) if left["label"][place])
        assert len(chosen) <= 4 * count


@pytest.mark.parametrize("kind", [list, tuple])
def test_one_label_in_a_list_is_as_a_grade(kind):
    onehot = [{**case, "label": kind(int(case["label"] == k) for k in range(3))} for case in graded((9, 8, 7))]
    assert images(shots(onehot, 3)) == images(shots(graded((9, 8, 7)), 3))


def test_a_short_class_keeps_all_and_is_named(caplog):
    chosen = shots(graded((10, 2, 4)), 4)
    assert Counter(case["label"] for case in chosen) == {0: 4, 1: 2, 2: 4}
    assert [record.getMessage() for record in caplog.records] == [
        "shots=4, but only 2 cases or groups have label 1; all of them are kept"
    ]


def test_a_short_class_without_a_label_is_named(caplog):
    cases = [{"image": f"data/{i}.png", "label": [int(i > 0)]} for i in range(5)]
    assert len(shots(cases, 2)) == 3
    assert "only 1 cases or groups have no label" in caplog.text


def test_enough_cases_warn_of_nothing(caplog):
    shots(graded((4, 4)), 4)
    assert not caplog.records


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_out_of_range(count):
    with pytest.raises(DataError, match=rf"shots={count} is out of range"):
        shots(graded((3, 3)), count)


def test_no_cases():
    with pytest.raises(DataError, match="empty"):
        shots([], 1)


class TestLabelFraction:
    def test_keeps_shares_at_least_one_of_each_and_nests(self):
        counts = (100, 3, 50)
        cases = graded(counts)
        kept = [label_fraction(cases, fraction) for fraction in (0.01, 0.1, 0.5, 1.0)]
        for fraction, part in zip((0.01, 0.1, 0.5, 1.0), kept, strict=True):
            found = Counter(case["label"] for case in part)
            for label, total in enumerate(counts):
                spread = 3 * math.sqrt(total * fraction * (1 - fraction)) + 1
                assert found[label] >= 1 and abs(found[label] - total * fraction) <= spread
        for small, large in pairwise(kept):
            assert images(small) < images(large)
        assert label_fraction(cases[::-1], 0.1) == kept[1]
        assert label_fraction(cases, 0.1, seed=1) != kept[1]

    def test_a_case_more_replaces_at_most_the_first_of_its_grade(self):
        cases = graded((40, 40))
        before = images(label_fraction(cases, 0.1))
        for number in range(20):
            new = {"image": f"data/new_{number}.png", "label": 0}
            after = images(label_fraction([*cases, new], 0.1)) - {new["image"]}
            assert after <= before and len(before - after) <= 1

    def test_keeps_whole_groups_with_every_grade(self):
        cases = [{"image": f"{p}_{e}.jpg", "label": e, "group": p} for p in range(20) for e in range(2)]
        kept = label_fraction(cases, 0.2)
        found = Counter(case["label"] for case in kept)
        assert found[0] == found[1] and 1 <= found[0] <= 9
        assert set(Counter(case["group"] for case in kept).values()) == {2}
        for case in cases[2:]:
            case["label"] = 1
        assert {case["label"] for case in label_fraction(cases, 0.1)} == {0, 1}  # grade 0 is in one patient of 20

    def test_works_on_masks(self):
        cases = [{"image": f"{i}.nii.gz", "label": f"{i}_mask.nii.gz"} for i in range(40)]
        assert 2 <= len(label_fraction(cases, 0.25)) <= 18
        assert len(label_fraction(cases, 1e-9)) == 1

    @pytest.mark.parametrize("fraction", [0, -0.1, 1.5, float("nan")])
    def test_refuses(self, fraction):
        with pytest.raises(DataError, match="out of range"):
            label_fraction(graded((3,)), fraction)

    def test_no_cases(self):
        with pytest.raises(DataError, match="empty"):
            label_fraction([], 0.5)
