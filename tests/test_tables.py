"""Tables come back from the file as they were, empty cells where there is nothing."""

import csv

import numpy as np
import pytest

from dvpt_monai.tables import cell, csv_text, write_table


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_come_back(tmp_path):
    rows = [{"image": 'a "b", c.png', "dice": 0.5, "n": 3}, {"image": "zwölf\nlines", "dice": float("nan"), "n": None}]
    write_table(tmp_path / "new" / "t.csv", rows)
    assert read(tmp_path / "new" / "t.csv") == [
        {"image": 'a "b", c.png', "dice": "0.5", "n": "3"},
        {"image": "zwölf\nlines", "dice": "nan", "n": ""},
    ]
    assert b"\r" not in (tmp_path / "new" / "t.csv").read_bytes()


def test_columns_are_those_of_all_rows_or_those_that_are_named():
    rows = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "dice": 0.25}]
    assert csv_text(rows) == "epoch,loss,dice\n1,1,\n2,0.5,0.25\n"
    assert csv_text(rows, ["dice", "loss", "epoch"]).startswith("dice,loss,epoch\n,1,1\n")
    with pytest.raises(ValueError, match="dice"):
        csv_text(rows, ["epoch", "loss"])


def test_what_fails_leaves_the_old_file(tmp_path):
    write_table(tmp_path / "t.csv", [{"a": 1}])
    with pytest.raises(ValueError, match="b"):
        write_table(tmp_path / "t.csv", [{"b": 1}], ["a"])
    assert read(tmp_path / "t.csv") == [{"a": "1"}] and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.float32(0.1), "0.1"), (np.float64(1.23e-7), "1.23e-07"), (np.int64(1234567), "1234567"), (True, "True"),
     (float("inf"), "inf"), ("007", "007"), (0.0, "0"), (123456.7, "123457")],
)  # fmt: skip
def test_numbers_in_a_cell(value, text):
    assert cell(value) == text
