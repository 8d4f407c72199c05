"""Folds and test sets: a case's part is its own, whatever comes to the data or goes."""

import math
import random
from collections import Counter

import pytest

from dvpt_monai.data import class_weights, fold_cases, holdout, label_fraction, read_csv, read_decathlon, shots, split
from dvpt_monai.data.chance import chance
from dvpt_monai.errors import DataError


def cases_of(*counts, group_size=None):
    """counts[g] cases of grade g."""
    cases = [{"image": f"eyes/{g}_{i}.jpg", "label": g} for g, count in enumerate(counts) for i in range(count)]
    if group_size:
        for place, case in enumerate(cases):
            case["group"] = f"patient {place // group_size}"
    return cases


def names(cases):
    return {case["image"] for case in cases}


PARTS = {
    "test": lambda cases, **where: holdout(cases, "test", 0.2, **where),
    "development": lambda cases, **where: holdout(cases, "development", 0.2, **where),
    "validation": lambda cases, **where: split(cases, "validation", 1, **where),
    "training": lambda cases, **where: split(cases, "training", 1, **where),
}


@pytest.fixture(params=PARTS)
def part(request):
    """A function that takes one part of a list of cases."""
    return PARTS[request.param]


class TestNoOtherCaseMoves:
    @pytest.mark.parametrize("more", range(5))
    def test_one_more_case_keeps_all_of_a_hundred(self, part, more):
        cases = cases_of(50, 50)
        new = {"image": f"eyes/new_{more}.jpg", "label": 0}
        assert names(part([*cases, new])) - {new["image"]} == names(part(cases))

    def test_half_of_the_cases_keep_their_parts(self, part):
        cases = cases_of(50, 50)
        half = random.Random(0).sample(cases, 50)
        assert names(part(half)) == names(part(cases)) & names(half)

    def test_a_sibling_folder_keeps_all(self, part, tmp_path):
        """The folder that all images share becomes another."""

        def listed(*images):
            for image in images:
                (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / image).touch()
            rows = [f"{image},{place % 2}" for place, image in enumerate(images)]
            (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
            return read_csv(tmp_path / "labels.csv", label="label")

        before = [f"left/{i}.jpg" for i in range(100)]
        after = [*before, "right/deep/0.jpg"]
        assert names(part(listed(*after))) - {str(tmp_path / after[-1])} == names(part(listed(*before)))

    def test_another_root_keeps_all(self, part):
        cases = [{"image": f"/data/eyes/{i}.jpg", "label": i % 2} for i in range(100)]
        moved = [{**case, "image": case["image"].replace("/data/eyes", "/mnt/a/b")} for case in cases]
        assert [case["image"].rsplit("/", 1)[1] for case in part(moved, root="/mnt/a/b")] == [
            case["image"].rsplit("/", 1)[1] for case in part(cases, root="/data/eyes")
        ]

    def test_the_order_and_the_labels_play_no_part_and_the_seed_does(self, part):
        cases = cases_of(50, 50)
        shuffled = random.Random(1).sample(cases, len(cases))
        assert part(shuffled) == part(cases)
        assert names(part([{**case, "label": 0} for case in cases])) == names(part(cases))
        assert part(cases, seed=1) != part(cases)

    def test_groups_stay_together_and_a_new_image_joins_its_group(self, part):
        cases = cases_of(50, 50, group_size=3)
        inside = part(cases)
        groups = {case["group"] for case in inside}
        assert not groups & {case["group"] for case in cases if case not in inside}
        for group in ("patient 0", "patient 7", "patient 20"):
            new = {"image": f"eyes/new of {group}.jpg", "label": 1, "group": group}
            assert names(part([*cases, new])) == names(inside) | ({new["image"]} if group in groups else set())
        plain = [{key: case[key] for key in ("image", "label")} for case in cases]
        owner = {case["image"]: case["group"] for case in cases}
        alone = names(part(plain))
        assert {owner[name] for name in alone} & {owner[name] for name in names(plain) - alone}  # negative control

    def test_other_labels_of_a_unicode_name(self, part):
        """macOS writes an accent as a letter of its own."""
        composed = [{"image": f"caf\u00e9_{i}.jpg"} for i in range(100)]
        apart = [{"image": f"cafe\u0301_{i}.jpg"} for i in range(100)]
        assert [case["image"].replace("e\u0301", "\u00e9") for case in part(apart)] == [
            case["image"] for case in part(composed)
        ]

    def test_files_of_the_same_name_are_told_apart(self, part):
        cases = [{"image": f"study/{i:02d}/image.nii.gz"} for i in range(60)]
        assert 0 < len(part(cases)) < 60

    def test_the_name_of_a_case_goes_before_its_path(self, part):
        cases = cases_of(50, 50)
        elsewhere = [{**case, "image": f"/somewhere/{i}.jpg", "name": case["image"]} for i, case in enumerate(cases)]
        assert {case["name"] for case in part(elsewhere)} == names(part(cases))

    def test_a_case_without_a_name_is_refused(self, part):
        cases = [{"image": f"/data/eyes/{i}.jpg", "label": 0} for i in range(20)]
        with pytest.raises(DataError, match=r"/data/eyes/.*root="):
            part(cases)
        with pytest.raises(DataError, match=r"/data/eyes/.*root="):
            part(cases, root="/data/skin")

    def test_cases_with_an_empty_group_stand_alone(self, part):
        cases = cases_of(50, 50)
        assert names(part([{**case, "group": ""} for case in cases])) == names(part(cases))
        assert names(part([{**case, "group": None} for case in cases])) == names(part(cases))

    def test_an_empty_list_is_refused(self, part):
        with pytest.raises(DataError, match="empty"):
            part([])


def within(count, total, share, deviations=4):
    """Whether a count is as chance gives it; four deviations are passed once in 16,000 times."""
    return abs(count - total * share) <= deviations * math.sqrt(total * share * (1 - share))


class TestShares:
    """Shares are right on average, and nearly exact where files are numbered."""

    COUNTS = (134, 20, 136, 74, 49)

    def test_of_test_cases(self):
        cases = cases_of(*self.COUNTS)
        drawn = [Counter(case["label"] for case in holdout(cases, "test", 0.2, seed)) for seed in range(50)]
        for grade, total in enumerate(self.COUNTS):
            assert all(within(count[grade], total, 0.2) for count in drawn)
            assert within(sum(count[grade] for count in drawn), 50 * total, 0.2)
        assert len({tuple(sorted(count.items())) for count in drawn}) > 10  # negative control: seeds differ

    def test_of_files_without_numbers(self):
        cases = [
            {"image": f"{''.join(random.Random(i).sample('abcdefghij', 9))}.jpg", "label": i % 2} for i in range(200)
        ]
        counts = [len(holdout(cases, "test", 0.2, seed)) for seed in range(100)]
        assert all(within(count, 200, 0.2) for count in counts) and within(sum(counts), 100 * 200, 0.2)
        assert len(set(counts)) > 5  # negative control: they do differ

    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.parametrize(
        "name", ["{g}/{i}.png", "{g}/eye_{i:04}.nii.gz", "{g}/p{i}/scan.jp2", "{g}_{i:02}_left.mp4"]
    )
    def test_of_files_in_tens_are_exact(self, name, seed):
        cases = [{"image": name.format(g=g, i=i), "label": g} for g in range(3) for i in range(40)]
        for size in (0.1, 0.2, 0.3):
            test = Counter(case["label"] for case in holdout(cases, "test", size, seed))
            assert test == dict.fromkeys(range(3), round(40 * size))
        assert [len(fold) for fold in fold_cases(cases, 5, seed)] == [24] * 5

    def test_of_groups_in_tens_are_exact(self):
        cases = [{"image": f"{i}_{k}.png", "group": f"p{i}"} for i in range(30) for k in range(3)]
        assert len(holdout(cases, "test")) == 18

    def test_the_last_digits_are_drawn_equally_often(self):
        drawn = Counter(chance(seed, "test", f"eye_{digit}.png") < 0.2 for digit in range(10) for seed in range(200))
        assert drawn[True] == 400
        for digit in range(10):
            count = sum(chance(seed, "test", f"eye_{digit}.png") < 0.2 for seed in range(400))
            assert within(count, 400, 0.2)

    def test_of_folds(self):
        cases = cases_of(*self.COUNTS)
        for seed in range(20):
            validated = Counter()
            for fold in range(5):
                training, validation = (split(cases, part, fold, seed=seed) for part in ("training", "validation"))
                assert names(training) | names(validation) == names(cases)
                assert not names(training) & names(validation)
                assert within(len(validation), 413, 0.2)
                validated.update(names(validation))
            assert set(validated.values()) == {1} and len(validated) == 413

    def test_a_fold_is_independent_of_the_test_set(self):
        """Were both drawn from one number, a fold would hold no development case, or all of them."""
        development = holdout(cases_of(1000), "development", 0.5)
        assert all(within(len(fold), len(development), 0.2) for fold in fold_cases(development))

    def test_a_fraction_is_independent_of_the_fold(self):
        training = split(cases_of(1000), "training", 0)
        assert within(len(label_fraction(training, 0.2)), len(training), 0.2)

    def test_all_folds_at_once_are_those_of_the_split(self):
        cases = cases_of(30, 30, group_size=2)
        assert fold_cases(cases, 4) == [split(cases, "validation", fold, 4) for fold in range(4)]


class TestSplit:
    def test_the_same_split_for_ever(self):
        """A change here changes everybody's published folds."""
        validation = split(cases_of(10, 5), "validation")
        assert [case["image"] for case in validation] == [
            "eyes/0_0.jpg",
            "eyes/0_4.jpg",
            "eyes/1_0.jpg",
            "eyes/1_2.jpg",
        ]

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
        with pytest.raises(DataError, match="empty"):
            class_weights([], 2)

    def test_an_empty_fold_is_refused_with_counts(self):
        cases = [{"image": f"{letter}.jpg", "label": 0} for letter in "abcd"]
        empty = fold_cases(cases, 4).index([])
        for part in ("training", "validation"):
            with pytest.raises(
                DataError, match=f"fold {empty} of 4 leaves no case for validation, of 4 in all; choose"
            ):
                split(cases, part, empty, 4)

    def test_a_class_that_a_part_misses_is_warned_of_once(self, caplog):
        cases = cases_of(60, 1)
        folds = [len(split(cases[-1:] + cases[:60], "validation", fold)) for fold in range(5)]
        missed = [record.getMessage() for record in caplog.records]
        assert sum(folds) == 61 and len(missed) == 5  # four folds have it in training alone, one in validation alone
        assert (
            sum("leaves no case of label 1 for validation, of 61 in all; choose another fold" in m for m in missed) == 4
        )
        assert sum("leaves no case of label 1 for training" in m for m in missed) == 1
        caplog.clear()
        split(cases, "training")
        split(cases_of(60, 60), "validation")
        assert not caplog.records


class TestHoldout:
    def test_the_same_test_set_for_ever(self):
        """A change here moves everybody's test cases into the training."""
        test = holdout(cases_of(10, 5), "test")
        assert [case["image"] for case in test] == [
            "eyes/0_4.jpg",
            "eyes/0_5.jpg",
            "eyes/1_0.jpg",
            "eyes/1_1.jpg",
        ]

    def test_a_larger_test_set_has_the_smaller_in_it(self):
        cases = cases_of(100)
        assert names(holdout(cases, "test", 0.1)) < names(holdout(cases, "test", 0.3))

    @pytest.mark.parametrize("size", [0.0, 1.0, -0.1, 1.5, float("nan")])
    def test_refuses_a_share_out_of_range(self, size):
        with pytest.raises(DataError, match=r"size=.* is out of range: a share"):
            holdout(cases_of(9), "test", size)

    def test_refuses_an_unknown_part_and_an_empty_one(self):
        with pytest.raises(DataError, match="'development' or 'test'"):
            holdout(cases_of(3, 3), "validation")
        for part in ("development", "test"):
            with pytest.raises(
                DataError, match=r"size=0.001 leaves no case for test, of 6 in all; choose another size"
            ):
                holdout(cases_of(3, 3), part, 0.001)
            with pytest.raises(DataError, match="leaves no case for development"):
                holdout(cases_of(6, group_size=6), part, 0.999)

    def test_a_class_that_a_part_misses_is_warned_of(self, caplog):
        for seed in range(9):
            holdout(cases_of(60, 1), "test", seed=seed)
        assert "size=0.2 leaves no case of label 1 for test, of 61 in all; choose another size or seed" in caplog.text


class TestListed:
    @pytest.fixture
    def listed(self, tmp_path):
        def write(*lines):
            path = tmp_path / "test_cases.txt"
            path.write_text("\n".join(["# of the paper", "", *lines]), encoding="utf-8")
            return path

        return write

    def test_what_is_listed_tests_and_all_else_develops(self, listed, caplog):
        path = listed("eyes/0_3.jpg  # remark", "eyes/0_8.jpg")
        cases = cases_of(50)
        assert names(holdout(cases, "test", listed=path)) == {"eyes/0_3.jpg", "eyes/0_8.jpg"}
        assert names(holdout(cases, "development", listed=path)) == names(cases) - {"eyes/0_3.jpg", "eyes/0_8.jpg"}
        assert not caplog.records

    def test_the_list_of_other_data_leaves_it_to_the_size(self, listed, caplog):
        caplog.set_level("INFO")
        cases = cases_of(50)
        assert holdout(cases, "test", 0.3, listed=listed("skin/1.jpg")) == holdout(cases, "test", 0.3)
        assert "none of its 1 cases is in these data" in caplog.text

    def test_listed_cases_that_are_gone_are_warned_of(self, listed, caplog):
        path = listed("eyes/0_3.jpg", "eyes/gone.jpg")
        assert len(holdout(cases_of(9), "test", listed=path)) == 1
        assert "1 of its 2 cases are not in the data, the first is eyes/gone.jpg" in caplog.text

    def test_refuses_a_list_that_divides_a_group_or_leaves_nothing(self, listed):
        with pytest.raises(DataError, match="group 'patient 0' is listed in part"):
            holdout(cases_of(9, group_size=3), "test", listed=listed("eyes/0_1.jpg"))
        with pytest.raises(DataError, match="leaves no case for development, of 1 in all; choose another list"):
            holdout(cases_of(1), "test", listed=listed("eyes/0_0.jpg"))

    def test_refuses_what_is_no_list(self, listed, tmp_path):
        with pytest.raises(DataError, match="lists no case"):
            holdout(cases_of(9), "test", listed=listed())
        with pytest.raises(DataError, match=r"gone\.txt: cannot be read"):
            holdout(cases_of(9), "test", listed=tmp_path / "gone.txt")
        (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match=r"bytes\.txt: cannot be read"):
            holdout(cases_of(9), "test", listed=tmp_path / "bytes.txt")


@pytest.mark.filterwarnings("ignore:holdout:DeprecationWarning")
def test_the_hippocampus_bundles_test_cases_are_those_behind_its_scores(hippocampus_dir, repository):
    """The list of the bundle, and what the last release chose by rank: `size` a fifth of 200."""
    cases = read_decathlon(hippocampus_dir / "dataset.json")
    listed = repository / "bundles" / "hippocampus_mri_segmentation" / "configs" / "test_cases.txt"
    test = holdout(cases, "test", listed=listed)
    assert len(test) == 40 and test == holdout(cases, "test", 40)
    assert {case["name"] for case in test} == set(listed.read_text().split("#")[-1].split("\n")[1:-1])


def test_shots_are_ranked_by_the_cases_own_names():
    cases = cases_of(50, 50)
    chosen = names(shots(cases, 5))
    assert len(chosen & names(shots([*cases, {"image": "eyes/new.jpg", "label": 0}], 5))) >= 9  # one may be replaced
