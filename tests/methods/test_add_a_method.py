"""CONTRIBUTING's "Add a method", followed to the letter: a copy of the package gains IA3 and passes the contract."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow  # each test runs a process or two

ROOT = Path(__file__).parents[2]


def blocks() -> list[str]:
    """The section's pieces of Python, in order."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Add a method")[1].split("\n## ")[0]
    return [dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)]


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """The project with IA3 in it, as the section says."""
    home = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "dvpt_monai", home / "dvpt_monai", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "tests/conftest.py", "tests/test_contract.py"):
        (home / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, home / name)
    method, export = blocks()
    (home / "dvpt_monai/methods/ia3.py").write_text(method, encoding="utf-8")
    with open(home / "dvpt_monai/methods/__init__.py", "a", encoding="utf-8") as file:
        file.write(export)
    names = home / "dvpt_monai/__init__.py"
    text = names.read_text(encoding="utf-8")
    assert text.count('"CVPT DTL ') == 1, "the line of the methods' names"
    names.write_text(text.replace('"CVPT DTL ', '"IA3 CVPT DTL '), encoding="utf-8")
    return home


def python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The copy comes before an installed package, and nothing of the running tests is handed on.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    environment |= {"PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_the_contract_suite_runs_on_the_new_method_and_passes(copied):
    done = python(copied, "pytest", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow", "tests/test_contract.py",
                  "-k", "IA3 and (registers or unetr-2d or swin-2d) or public")  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    passed = int(re.search(r"(\d+) passed", done.stdout).group(1))
    assert passed >= 50, "all of the suite, on a network of each kind"
    assert "failed" not in done.stdout


def test_the_section_satisfies_lint_and_types(copied):
    known = ROOT / ".mypy_cache"  # what mypy knows of other packages, which takes it minutes to find out
    if known.is_dir():
        shutil.copytree(known, copied / ".mypy_cache", ignore=shutil.ignore_patterns("dvpt_monai"))
    for tool in (("ruff", "check", "dvpt_monai/methods/ia3.py"), ("mypy", "dvpt_monai/methods/ia3.py")):
        pytest.importorskip(tool[0])
        done = python(copied, *tool)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_method_fails_the_suite(copied):
    # The negative control: a tuner that never trains is noticed.
    path = copied / "dvpt_monai/methods/ia3.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("return x * self.scale", "return x * self.scale.detach()"), encoding="utf-8")
    try:
        done = python(copied, "pytest", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow",
                      "tests/test_contract.py", "-k", "IA3 and unetr-2d and gradient")  # fmt: skip
        assert done.returncode == 1
        assert "test_every_trained_tensor_gets_a_gradient" in done.stdout
    finally:
        path.write_text(text, encoding="utf-8")
