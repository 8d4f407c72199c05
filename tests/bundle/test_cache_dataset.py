"""What loads its cases shows a bar to people and one line to logs."""

import sys

import pytest

from dvpt_monai.bundle import CacheDataset


def logged(caplog):
    return [record.message for record in caplog.records if record.name == "dvpt_monai.bundle.cache_dataset"]


@pytest.fixture(autouse=True)
def info(caplog):
    caplog.set_level("INFO")


def double(number):
    return 2 * number


def test_a_log_has_one_line_and_no_bar(capsys, caplog):
    assert [*CacheDataset([1, 2, 3, 4], double, cache_rate=0.5)] == [2, 4, 6, 8]
    [line] = logged(caplog)
    assert line.startswith("Loaded 2 of 4 cases, ") and line.endswith(" s") and capsys.readouterr().err == ""


def test_a_terminal_has_the_bar(capsys, caplog, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    CacheDataset([1, 2], double)
    assert "Loading dataset" in capsys.readouterr().err and not logged(caplog)


def test_whoever_asks_for_the_bar_gets_it(capsys, caplog):
    CacheDataset([1, 2], double, progress=True)
    assert "Loading dataset" in capsys.readouterr().err and not logged(caplog)


def test_nothing_is_said_where_nothing_is_loaded(caplog):
    CacheDataset([1, 2], double, cache_rate=0.0)
    CacheDataset([], double)
    assert not logged(caplog)
