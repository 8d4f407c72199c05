"""What the rooms of networks import: the catalog nothing but Python, the vision transformer no MONAI; no circles."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "dvpt_monai"
PACKAGES = ("dvpt_monai", "dvpt_monai.networks", "dvpt_monai.networks.pretrained")
BARE = f"""
import sys, types
from pathlib import Path
for name in {PACKAGES!r}:  # the packages without what their __init__ imports
    package = types.ModuleType(name)
    package.__path__ = [str(Path({str(ROOT.parent)!r}, *name.split(".")))]
    sys.modules[name] = package
"""


def imports(module, without):
    """A fresh Python that has not the modules `without` imports one module alone."""
    code = f"{BARE}\nsys.modules.update(dict.fromkeys({without!r}))\nimport {module}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["catalog", "download", "listing"])
def test_the_catalog_needs_nothing_but_python(module):
    done = imports(f"dvpt_monai.networks.pretrained.{module}", ["torch", "monai", "numpy", "safetensors"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["vit", "classifier", "pretrained.convert"])
def test_vision_transformers_and_their_loader_need_no_monai(module):
    done = imports(f"dvpt_monai.networks.{module}", ["monai"])
    assert done.returncode == 0, done.stderr


def test_a_module_that_is_missing_is_missed():
    done = imports("dvpt_monai.networks.vit", ["torch"])
    assert done.returncode == 1 and "import of torch halted" in done.stderr


def test_no_import_of_ours_hides_in_a_function():
    hidden = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "networks").rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("dvpt_monai")
    ]
    assert hidden == []
