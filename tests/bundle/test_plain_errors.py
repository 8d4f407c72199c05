import sys

import pytest

from dvpt_monai.bundle.plain_errors import plain_errors, reason
from dvpt_monai.data import DataError


def wrapped(inner, outer=RuntimeError):
    with pytest.raises(outer) as raised:
        try:
            raise inner
        except Exception as error:
            raise outer("Failed to evaluate") from error
    return raised.value


def test_the_reason_is_the_packages_own_error_or_the_first_one():
    bottom = FileNotFoundError("a.jpg")
    own = DataError("labels.csv: no such file")
    own.__cause__ = bottom
    assert reason(wrapped(own)) is own
    assert reason(wrapped(bottom)) is bottom
    assert reason(bottom) is bottom


def test_the_last_line_says_it(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    plain_errors()
    once = sys.excepthook
    plain_errors()
    assert sys.excepthook is once
    error = wrapped(DataError("labels.csv: no such file"))
    sys.excepthook(type(error), error, error.__traceback__)
    assert capsys.readouterr().err.strip().splitlines()[-1] == "error: labels.csv: no such file"
