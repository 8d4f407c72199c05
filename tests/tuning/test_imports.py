"""Tuning and methods stand on PyTorch alone: MONAI takes seconds to import."""

import subprocess
import sys
from pathlib import Path

import pytest

import dvpt_monai

ROOMS = """
import importlib, sys, types
package = types.ModuleType("dvpt_monai")
package.__path__, package.__version__ = [{path!r}], "0"
sys.modules["dvpt_monai"] = package
for room in ("tuning", "methods", "optimizers"):
    importlib.import_module("dvpt_monai." + room)
{more}
print(sorted({{"monai", "ignite"}} & sys.modules.keys()))
"""


def imported(more=""):
    code = ROOMS.format(path=str(Path(dvpt_monai.__file__).parent), more=more)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.mark.slow
def test_tuning_and_methods_import_neither_monai_nor_ignite():
    assert imported() == "[]"
    assert imported("import ignite") == "['ignite']", "which would be seen"
