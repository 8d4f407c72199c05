import sys

import pytest

from dvpt_monai.bundle.plain_errors import plain_errors
from dvpt_monai.errors import DataError, reason


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


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.delenv("DVPT_TRACEBACK", raising=False)
    plain_errors()
    once = sys.excepthook
    plain_errors()
    assert sys.excepthook is once

    def of(inner):
        error = wrapped(inner)
        sys.excepthook(type(error), error, error.__traceback__)
        return capsys.readouterr().err

    return of


def test_an_error_that_names_its_remedy_needs_no_traceback(said, monkeypatch):
    told = said(DataError("labels.csv: no such file"))
    assert told.strip().splitlines()[-1] == "error: labels.csv: no such file" and "Traceback" not in told
    monkeypatch.setenv("DVPT_TRACEBACK", "1")
    told = said(DataError("labels.csv: no such file"))
    assert told.strip().splitlines()[-1] == "error: labels.csv: no such file" and "Traceback" in told


def test_any_other_error_keeps_its_traceback(said):
    told = said(ZeroDivisionError("division by zero"))
    assert told.strip().splitlines()[-1] == "error: division by zero" and "Traceback" in told
