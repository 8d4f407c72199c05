import random
from collections import Counter
from itertools import pairwise

import pytest

from dvpt_monai.data import class_weights, holdout, label_fraction, split
from dvpt_monai.errors import DataError


def cases_of(*counts, group_size=None):
    """counts[g] cases of grade g."""
    cases = [{"image": f"/eyes/{g}_{i}.jpg", "label": g} for g, count in enumerate(counts) for i in range(count)]
    if group_size:
        for place, case in enumerate(cases):
            case["group"] = f"patient {place // group_size}"
    return cases


def names(cases):
    return {case["image"] for case in cases}


class TestSplit:
    def test_each_case_validates_once_and_each_fold_has_its_share(self):
        cases = cases_of(50, 7, 23)
        validated = Counter()
        for fold in range(5):
            training, validation = (split(cases, part, fold=fold) for part in ("training", "validation"))
            assert names(training) | names(validation) == names(cases)
            assert not names(training) & names(validation)
            validated.update(case["image"] for case in validation)
            share = Counter(case["label"] for case in validation)
            assert share[0] == 10
            assert share[1] in (1, 2)
            assert share[2] in (4, 5)
            assert len(validation) == 16
        assert set(validated.values()) == {1}

    def test_depends_on_the_names_and_the_seed_only(self):
        cases = cases_of(20, 20)
        shuffled = random.Random(1).sample(cases, len(cases))
        moved = [{**case, "image": case["image"].replace("/eyes", "/mnt/other/place")} for case in shuffled]
        expected = split(cases, "validation")
        assert split(shuffled, "validation") == expected
        assert [case["image"].rsplit("/", 1)[1] for case in split(moved, "validation")] == [
            case["image"].rsplit("/", 1)[1] for case in expected
        ]
        assert split(cases, "validation", seed=1) != expected

    def test_the_same_split_for_ever(self):
        """A change here changes everybody's published folds."""
        validation = split(cases_of(10, 5), "validation")
        assert [case["image"] for case in validation] == ["/eyes/0_1.jpg", "/eyes/0_9.jpg", "/eyes/1_3.jpg"]

    def test_tells_files_of_the_same_name_apart(self):
        cases = [{"image": f"/study/{i:02d}/image.nii.gz", "label": f"/study/{i:02d}/mask.nii.gz"} for i in range(30)]
        validation = split(cases, "validation")
        assert len(validation) == 6
        assert validation != cases[::5]

    def test_without_strata(self):
        counts = [
            Counter(c["label"] for c in split(cases_of(40, 10), "validation", f, stratify=False)) for f in range(5)
        ]
        assert all(sum(count.values()) == 10 for count in counts)
        assert {count[1] for count in counts} != {2}  # stratified, each fold has 2

    def test_never_divides_a_group(self):
        cases = cases_of(20, 20, group_size=3)
        for fold in range(5):
            sides = [{case["group"] for case in split(cases, part, fold)} for part in ("training", "validation")]
            assert not sides[0] & sides[1]
        plain = [{key: case[key] for key in ("image", "label")} for case in cases]
        owner = {case["image"]: case["group"] for case in cases}
        sides = [{owner[name] for name in names(split(plain, part))} for part in ("training", "validation")]
        assert sides[0] & sides[1]

    def test_one_fold_holds_nothing_out(self):
        cases = cases_of(3, 3)
        assert names(split(cases, "training", folds=1)) == names(cases) == names(split(cases, "validation", folds=1))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"part": "test"}, "choose 'training' or 'validation'"),
            ({"part": "training", "fold": 5}, "fold=5 is out of range: choose 0 to 4"),
            ({"part": "training", "fold": -1}, "fold=-1 is out of range"),
            ({"part": "training", "folds": 0}, "folds=0 for 6 cases or groups: choose 1 to 6"),
            ({"part": "training", "folds": 7}, "choose 1 to 6"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(DataError, match=message):
            split(cases_of(3, 3), **arguments)

    def test_refuses_an_empty_list(self):
        for function in (lambda c: split(c, "training"), lambda c: label_fraction(c, 1), lambda c: class_weights(c, 2)):
            with pytest.raises(DataError, match="empty"):
                function([])


class TestHoldout:
    def test_sets_the_share_of_each_grade_aside(self):
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

    def test_never_divides_a_group(self):
        cases = cases_of(30, group_size=4)
        test, development = holdout(cases, "test", 10), holdout(cases, "development", 10)
        assert len(test) in range(10, 14)
        assert not {case["group"] for case in test} & {case["group"] for case in development}

    @pytest.mark.parametrize("size", [0, 6, 7])
    def test_refuses_an_empty_part(self, size):
        with pytest.raises(DataError, match="choose 1 to 5"):
            holdout(cases_of(3, 3), "test", size)

    def test_refuses_an_unknown_part_and_one_group(self):
        with pytest.raises(DataError, match="'development' or 'test'"):
            holdout(cases_of(3, 3), "validation", 2)
        with pytest.raises(DataError, match="no group for development"):
            holdout(cases_of(6, group_size=6), "test", 2)


class TestLabelFraction:
    def test_keeps_shares_at_least_one_of_each_and_nests(self):
        cases = cases_of(100, 3, 50)
        kept = [label_fraction(cases, fraction) for fraction in (0.01, 0.1, 0.5, 1.0)]
        assert [Counter(case["label"] for case in part) for part in kept] == [
            {0: 1, 1: 1, 2: 1},
            {0: 10, 1: 1, 2: 5},
            {0: 50, 1: 2, 2: 25},
            {0: 100, 1: 3, 2: 50},
        ]
        for small, large in pairwise(kept):
            assert names(small) < names(large)
        assert label_fraction(cases[::-1], 0.1) == kept[1]
        assert label_fraction(cases, 0.1, seed=1) != kept[1]

    def test_keeps_whole_groups_with_every_grade(self):
        cases = [{"image": f"{p}_{e}.jpg", "label": e, "group": p} for p in range(20) for e in range(2)]
        kept = label_fraction(cases, 0.2)
        assert Counter(case["label"] for case in kept) == {0: 4, 1: 4}
        assert set(Counter(case["group"] for case in kept).values()) == {2}
        for case in cases[2:]:
            case["label"] = 1
        assert {case["label"] for case in label_fraction(cases, 0.1)} == {0, 1}  # grade 0 is in one patient of 20

    def test_works_on_masks(self):
        cases = [{"image": f"{i}.nii.gz", "label": f"{i}_mask.nii.gz"} for i in range(40)]
        assert len(label_fraction(cases, 0.25)) == 10

    @pytest.mark.parametrize("fraction", [0, -0.1, 1.5, float("nan")])
    def test_refuses(self, fraction):
        with pytest.raises(DataError, match="out of range"):
            label_fraction(cases_of(3), fraction)
