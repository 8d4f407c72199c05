"""The command line, in this process and in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dvpt_monai.commands import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def say(monkeypatch, capsys):
    """Run a command here: its exit code, what it prints and what it says of errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["/anywhere/dvpt_monai/__main__.py", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def process():
    """Start a command in a process of its own."""

    def start(*words, **arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **arguments.pop("environment", {})}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **arguments}
        return subprocess.Popen([sys.executable, *map(str, words)], env=environment, text=True, **streams)

    return start
