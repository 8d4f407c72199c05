import json
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from dvpt_monai.data import (
    DataError,
    balanced_sampler,
    class_weights,
    holdout,
    label_fraction,
    read_csv,
    read_decathlon,
    split,
)

PAIR = {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}


def cases_of(*counts, group_size=None):
    """counts[g] cases of grade g."""
    cases = [{"image": f"/eyes/{g}_{i}.jpg", "label": g} for g, count in enumerate(counts) for i in range(count)]
    if group_size:
        for place, case in enumerate(cases):
            case["group"] = f"patient {place // group_size}"
    return cases


def names(cases):
    return {case["image"] for case in cases}


@pytest.fixture
def table(tmp_path):
    """A CSV of four images, and a function that writes other text into it."""
    for name in "abcd":
        (tmp_path / f"{name}.jpg").touch()
    path = tmp_path / "labels.csv"

    def write(text="image,split,dr_grade\na.jpg,train,0\nb.jpg,train,4\nc.jpg,train,2\nd.jpg,test,1\n"):
        path.write_text(text)
        return path

    write()
    return write


class TestReadCsv:
    def test_reads_the_rows_of_a_split_in_order(self, table):
        path = table()
        cases = read_csv(path, num_classes=5, split="train")
        assert cases == [
            {"image": str(path.parent / name), "label": grade}
            for name, grade in (("a.jpg", 0), ("b.jpg", 4), ("c.jpg", 2))
        ]
        assert len(read_csv(path)) == 4

    def test_takes_other_columns_another_root_a_group_and_a_byte_order_mark(self, table, tmp_path):
        path = tmp_path / "elsewhere" / "own.csv"
        path.parent.mkdir()
        path.write_text("\ufefffile;,grade,patient\na.jpg,1,p7\n".replace(";", ""), encoding="utf-8")
        cases = read_csv(path, image="file", label="grade", root=tmp_path, group="patient")
        assert cases == [{"image": str(tmp_path / "a.jpg"), "label": 1, "group": "p7"}]

    @pytest.mark.parametrize(
        ("text", "arguments", "message"),
        [
            ("image,grade\na.jpg,0\n", {}, r"labels\.csv: no column 'dr_grade' among \['image', 'grade'\].*label="),
            ("image;dr_grade\na.jpg;0\n", {}, "no column 'image'"),
            ("image,dr_grade\na.jpg,0\n", {"split": "train"}, "no column 'split'.*split_column="),
            ("image,dr_grade\na.jpg,0\n", {"group": "patient"}, "no column 'patient'.*group="),
            ("image,dr_grade,split\na.jpg,0,test\n", {"split": "train"}, r"split='train'; the column holds \['test'\]"),
            ("image,dr_grade\n", {}, "no cases"),
            ("", {}, "no column"),
            ("image,dr_grade\na.jpg,0\n,1\n", {}, "line 3: column 'image' is empty"),
            ("image,dr_grade\na.jpg,0\nb.jpg,mild\n", {}, "line 3, dr_grade: 'mild' is not an integer"),
            ("image,dr_grade\na.jpg\n", {}, "line 2, dr_grade: None is not an integer"),
            ("image,dr_grade\na.jpg,5\n", {"num_classes": 5}, r"line 2, dr_grade: 5 is out of range 0\.\.4"),
            ("image,dr_grade\na.jpg,-1\n", {}, "-1 is out of range"),
            ("image,dr_grade\na.jpg,0\nb.jpg,1\na.jpg,1\n", {}, "line 4: a.jpg is on line 2 already"),
            ("image,dr_grade\na.jpg,0\nx.jpg,0\ny.jpg,0\n", {}, r"2 of 3 files do not exist, the first is .*x\.jpg"),
        ],
    )
    def test_refuses(self, table, text, arguments, message):
        with pytest.raises(DataError, match=message):
            read_csv(table(text), **arguments)

    def test_refuses_what_is_no_table(self, tmp_path):
        with pytest.raises(DataError, match=r"gone\.csv: no such file"):
            read_csv(tmp_path / "gone.csv")
        (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04\xff\xfe\x00")
        with pytest.raises(DataError, match=r"book\.xlsx: not a table"):
            read_csv(tmp_path / "book.xlsx")

    def test_reads_the_real_grades(self, fundus_dir):
        train = read_csv(fundus_dir / "labels.csv", num_classes=5, split="train")
        test = read_csv(fundus_dir / "labels.csv", num_classes=5, split="test")
        assert Counter(case["label"] for case in train) == {0: 134, 1: 20, 2: 136, 3: 74, 4: 49}
        assert len(test) == 103
        assert not names(train) & names(test)
        for fold in range(5):
            assert Counter(case["label"] for case in split(train, "validation", fold=fold))[1] == 4


class TestReadDecathlon:
    @pytest.fixture
    def write(self, tmp_path):
        for name in ("a", "b"):
            for folder in ("imagesTr", "labelsTr"):
                (tmp_path / folder).mkdir(exist_ok=True)
                (tmp_path / folder / f"{name}.nii.gz").touch()

        def write(table):
            path = tmp_path / "dataset.json"
            path.write_text(table if isinstance(table, str) else json.dumps(table))
            return path

        return write

    def test_reads_pairs_and_a_test_section_without_labels(self, write, tmp_path):
        path = write({"labels": {"0": "", "1": ""}, "training": [PAIR], "test": ["./imagesTr/b.nii.gz"]})
        pair = {"image": str(tmp_path / "imagesTr/a.nii.gz"), "label": str(tmp_path / "labelsTr/a.nii.gz")}
        assert read_decathlon(path, num_classes=2) == [pair]
        assert read_decathlon(path, "test") == [{"image": str(tmp_path / "imagesTr/b.nii.gz")}]

    @pytest.mark.parametrize(
        ("table", "arguments", "message"),
        [
            ("{", {}, "not JSON"),
            ("[]", {}, "no list 'training'"),
            ({"training": [PAIR]}, {"section": "validation"}, r"no list 'validation'; it has \['training'\]"),
            ({"training": []}, {}, "holds no cases"),
            ({"training": [{"label": "x"}]}, {}, r"training\[0\] names no image"),
            ({"training": [7]}, {}, r"training\[0\] names no image"),
            ({"training": [{"image": "./imagesTr/a.nii.gz"}]}, {}, "a.nii.gz, has no label"),
            ({"training": [PAIR, PAIR]}, {}, "listed twice"),
            ({"training": [{**PAIR, "label": "gone.nii.gz"}]}, {}, r"1 of 2 files.*gone\.nii\.gz"),
            (
                {"training": [PAIR], "labels": {"0": "", "1": ""}},
                {"num_classes": 3},
                "names 2 labels, not num_classes=3",
            ),
        ],
    )
    def test_refuses(self, write, table, arguments, message):
        with pytest.raises(DataError, match=message):
            read_decathlon(write(table), **arguments)

    def test_refuses_a_missing_file(self, tmp_path):
        with pytest.raises(DataError, match=r"dataset\.json: no such file"):
            read_decathlon(tmp_path / "dataset.json")

    def test_reads_the_real_volumes(self, hippocampus_dir):
        cases = read_decathlon(hippocampus_dir / "dataset.json", num_classes=3)
        assert len(cases) == 200
        assert len(holdout(cases, "test")) == 40


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


class TestWeights:
    def test_rare_grades_weigh_more(self):
        weights = class_weights(cases_of(10, 40, 20), 3)
        torch.testing.assert_close(weights * torch.tensor([10, 40, 20]), torch.full((3,), float(weights[0] * 10)))
        assert weights.mean().item() == pytest.approx(1)
        gentle = class_weights(cases_of(10, 40), 2, power=0.5)
        assert (gentle[0] / gentle[1]).item() == pytest.approx(2)
        assert class_weights(cases_of(10, 40), 2, power=0).tolist() == [1, 1]

    def test_a_grade_without_cases_is_an_error_unless_off(self):
        with pytest.raises(DataError, match=r"num_classes=5, but no case has a label of \[1, 4\]"):
            class_weights(cases_of(3, 0, 3, 3), 5)
        assert class_weights(cases_of(3, 0, 3, 3), 5, power=0).tolist() == [1] * 5

    @pytest.mark.parametrize("label", [5, -1, 1.5, "1", None])
    def test_refuses_labels_out_of_range(self, label):
        cases = [*cases_of(1, 1, 1, 1, 1), {"image": "odd.jpg", "label": label}]
        for function in (class_weights, balanced_sampler):
            with pytest.raises(DataError, match=r"odd\.jpg: label .* 0\.\.4"):
                function(cases, 5)

    def test_takes_numpy_integers(self):
        cases = [{"image": f"{i}.jpg", "label": np.int64(i % 2)} for i in range(4)]
        assert class_weights(cases, 2).tolist() == [1, 1]
        assert {int(case["label"]) for case in label_fraction(cases, 0.5)} == {0, 1}

    def test_the_sampler_evens_out(self):
        cases = cases_of(900, 100)
        drawn = Counter(cases[i]["label"] for i in balanced_sampler(cases, 3))
        assert sum(drawn.values()) == 1000
        assert abs(drawn[1] - 500) < 60
        plain = Counter(cases[i]["label"] for i in balanced_sampler(cases, 3, power=0))
        assert abs(plain[1] - 100) < 40

    def test_the_sampler_repeats_with_its_seed(self):
        cases = cases_of(9, 1)
        assert list(balanced_sampler(cases, 2, seed=3)) == list(balanced_sampler(cases, 2, seed=3))
        assert list(balanced_sampler(cases, 2, seed=3)) != list(balanced_sampler(cases, 2, seed=4))


def test_decathlon_of_a_folder_elsewhere_with_groups(tmp_path):
    """A bundle has the list, and the images lie with the user."""
    for name in ("images/a.png", "images/b.png", "masks/a.png", "masks/b.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"")
    entries = [{"image": f"images/{x}.png", "label": f"masks/{x}.png", "group": "p1"} for x in "ab"]
    listed = tmp_path / "dataset.json"
    listed.write_text(json.dumps({"training": entries}))
    cases = read_decathlon(listed, root=tmp_path / "data")
    assert [case["image"] for case in cases] == [str(tmp_path / "data" / f"images/{x}.png") for x in "ab"]
    assert [case["group"] for case in cases] == ["p1", "p1"]
    with pytest.raises(DataError, match=r"4 of 4 files do not exist"):
        read_decathlon(listed)
