import pytest

from dvpt_monai.data import read_csv, split, train_and_validation
from dvpt_monai.errors import DataError


@pytest.fixture
def table(tmp_path):
    """`table("train", ...)` is a table with one row for each word in its column split."""

    def write(*splits, column="split"):
        rows = [f"image,label,{column}"]
        for number, name in enumerate(splits):
            (tmp_path / f"{number}.png").write_bytes(b"")
            rows.append(f"{number}.png,{number % 2},{name}")
        (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
        return tmp_path / "labels.csv"

    return write


def names(cases):
    return [case["image"].rsplit("/", 1)[-1] for case in cases]


def test_the_owners_validation_cases_are_taken(table):
    path = table(*["train"] * 6, "val", "test", "val")
    training, validation = train_and_validation(path, label="label", fold=3, folds=99)  # folds play no part
    assert names(training) == [f"{i}.png" for i in range(6)] and names(validation) == ["6.png", "8.png"]


@pytest.mark.parametrize("val_split", ["val", None])
def test_else_a_fold_of_the_training_cases(table, val_split):
    path = table(*["train"] * 10, "test", *["val"] * (val_split is None))
    training, validation = train_and_validation(path, val_split=val_split, fold=1, folds=5, label="label")
    cases = read_csv(path, label="label", split="train")
    assert training == split(cases, "training", 1, 5) and validation == split(cases, "validation", 1, 5)
    assert sorted(names(training + validation)) == [f"{i}.png" for i in range(10)] and validation


def test_all_rows_and_a_fold_of_them(table):
    path = table(*["train"] * 6, *["val"] * 4)
    training, validation = train_and_validation(path, train_split=None, label="label")
    assert sorted(names(training + validation)) == [f"{i}.png" for i in range(10)]


def test_a_table_without_the_column(table):
    path = table(*["x"] * 10, column="remark")
    training, validation = train_and_validation(path, train_split=None, label="label")
    assert len(training) + len(validation) == 10 and validation
    with pytest.raises(DataError, match="no column 'split'"):
        train_and_validation(path, label="label")


def test_the_owners_validation_cases_in_another_spelling(table):
    training, validation = train_and_validation(table(*["train"] * 6, "Val "), label="label")
    assert len(training) == 6 and names(validation) == ["6.png"]


def test_another_column(table):
    path = table(*["train"] * 6, *["val"] * 4, column="part")
    training, validation = train_and_validation(path, label="label", split_column="part")
    assert len(training) == 6 and len(validation) == 4


def test_one_fold_holds_nothing_out_unless_the_owners_did(table):
    training, validation = train_and_validation(table(*["train"] * 6), label="label", folds=1)
    assert training == validation and len(training) == 6
    training, validation = train_and_validation(table(*["train"] * 6, "val"), label="label", folds=1)
    assert len(training) == 6 and len(validation) == 1
