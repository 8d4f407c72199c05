import threading

import pytest

from dvpt_monai.compare.runs import COLUMNS, add_row, read_rows
from dvpt_monai.errors import DataError


def test_rows_are_added_and_replaced(tmp_path):
    path = tmp_path / "out" / "runs.csv"
    add_row(path, {"run": "a", "value": 1 / 3, "settings": '{"learning_rate": 0.01}'})
    add_row(path, {"run": "b", "error": "TuningError: no, never"})
    add_row(path, {"run": "a", "value": 0.5})
    rows = read_rows(path)
    assert list(rows) == ["b", "a"] and rows["a"]["value"] == "0.5" and rows["a"]["settings"] == ""
    assert rows["b"]["error"] == "TuningError: no, never" and tuple(rows["b"]) == COLUMNS


def test_no_row_is_lost_where_several_write(tmp_path):
    path = tmp_path / "runs.csv"
    threads = [threading.Thread(target=add_row, args=(path, {"run": str(number)})) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_rows(path)) == {str(number) for number in range(12)}


def test_no_file_is_no_rows(tmp_path):
    assert read_rows(tmp_path / "runs.csv") == {}


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("image,label\na,1\n")
    with pytest.raises(DataError, match="name another --out"):
        add_row(path, {"run": "a"})
    assert path.read_text() == "image,label\na,1\n"
