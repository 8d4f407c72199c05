import json
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from dvpt_monai import errors
from dvpt_monai.bundle.plain_errors import plain_errors
from dvpt_monai.errors import DataError, DvptError, reason


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


def test_every_error_has_one_root():
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__]
    assert len(kinds) > 6 and all(issubclass(kind, DvptError) for kind in kinds)


@pytest.fixture
def command(monkeypatch):
    """This process as if a person had typed `python -m <name>`."""

    def become(name):
        monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", name and ModuleSpec(name, None))
        monkeypatch.delenv("DVPT_TRACEBACK", raising=False)

    return become


@pytest.fixture
def printed(command, capsys):
    command("monai.bundle.__main__")
    plain_errors()
    once = sys.excepthook
    plain_errors()
    assert sys.excepthook is once is not sys.__excepthook__

    def of(inner):
        error = wrapped(inner)
        sys.excepthook(type(error), error, error.__traceback__)
        return capsys.readouterr().err

    return of


def test_an_error_that_names_its_remedy_needs_no_traceback(printed, monkeypatch):
    text = printed(DataError("labels.csv: no such file"))
    assert text.strip().splitlines()[-1] == "error: labels.csv: no such file" and "Traceback" not in text
    monkeypatch.setenv("DVPT_TRACEBACK", "1")
    text = printed(DataError("labels.csv: no such file"))
    assert text.strip().splitlines()[-1] == "error: labels.csv: no such file" and "Traceback" in text


def test_any_other_error_keeps_its_traceback(printed):
    text = printed(ZeroDivisionError("division by zero"))
    assert text.strip().splitlines()[-1] == "error: division by zero" and "Traceback" in text


@pytest.mark.parametrize("name", [None, "pytest.__main__", "monailabel.main", "ipykernel_launcher", "monai.bundle"])
def test_a_program_of_ones_own_keeps_its_hook(command, name):
    command(name)
    plain_errors()
    assert sys.excepthook is sys.__excepthook__


HOST = """
import sys
from monai.bundle import ConfigWorkflow

def own(kind, error, trace):
    print("the host's own hook", file=sys.stderr)

sys.excepthook = own
workflow = ConfigWorkflow(sys.argv[1], logging_file=False, meta_file=None)
workflow.initialize()
workflow.run()
"""


def run_in_a_process(folder, *words):
    (folder / "configs").mkdir()
    config = {
        "imports": ["$import dvpt_monai.bundle as bundle", "$import dvpt_monai.errors as errors"],
        "initialize": ["$bundle.plain_errors()"],
        "run": ["$bundle.find_images(['gone.png'], ['.png'])"],
    }
    (folder / "configs" / "metadata.json").write_text('{"version": "0.1.0"}')
    path = folder / "configs" / "train.json"
    path.write_text(json.dumps(config))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("DVPT_TRACEBACK", None)
    command = [sys.executable, *words, str(path)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.slow
def test_the_command_line_says_it_in_short(tmp_path):
    text = run_in_a_process(tmp_path, "-m", "monai.bundle", "run", "--config_file")
    assert text.strip().splitlines()[-1].startswith("error: dataset_dir: no file gone.png")
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_host_script_keeps_its_hook(tmp_path):
    (tmp_path / "host.py").write_text(HOST)
    text = run_in_a_process(tmp_path, "host.py")
    assert text.strip().splitlines()[-1] == "the host's own hook" and "error:" not in text
