"""What is said in several files is said alike, and what is imported is declared."""

import ast
import configparser
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dvpt_monai
from dvpt_monai import UNETR

ROOT = Path(__file__).parents[1]
DISTRIBUTION = {
    "PIL": "pillow",
    "ignite": "pytorch-ignite",
    "sklearn": "scikit-learn",
    "SimpleITK": "simpleitk",
    "yaml": "pyyaml",
}


OPTIONAL = {
    "dvpt_monai": ("hub", "onnx", "dicom"),
    "scripts": ("test", "nnunet"),  # what a benchmark compares with
    "tests": ("test", "tracking", "dicom"),
}


@pytest.fixture(scope="module")
def options():
    """The part of setup.cfg that pip reads."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names(requirements):
    return {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in requirements.split()}


def imported(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


@pytest.mark.parametrize("folder", ["dvpt_monai", "scripts", pytest.param("tests", marks=pytest.mark.slow)])
def test_every_import_is_a_declared_requirement(options, folder):
    declared, extras = names(options["options"]["install_requires"]), options["options.extras_require"]
    declared |= names("".join(extras[name] for name in OPTIONAL[folder]))
    ours = {"dvpt_monai", "tests", *(path.stem for path in (ROOT / folder).rglob("*.py"))}
    foreign = set(imported(folder)) - set(sys.stdlib_module_names) - ours
    assert {DISTRIBUTION.get(name, name) for name in foreign} - declared == set()


def test_the_command_is_there_under_the_name_that_its_help_has(options, monkeypatch, capsys):
    name, _, place = options["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = place.partition(":")
    monkeypatch.setattr(sys, "argv", ["/anywhere/bin/dvpt_monai", "pack"])
    with pytest.raises(SystemExit):
        getattr(importlib.import_module(module), function)()
    assert f"Usage: {name} pack [OPTIONS] FOLDER" in capsys.readouterr().err


def test_constraints_pin_the_direct_dependencies_and_nothing_else(options):
    extras = options["options.extras_require"]
    groups = [
        options["options"]["install_requires"],
        *(extras[name] for name in ("test", "hub", "onnx", "tracking", "dicom")),
    ]
    direct = names(" ".join(groups)) - {"dvpt_monai"}
    pins = [line.split(";")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    assert names(" ".join(pin.split("==")[0] for pin in pins)) == direct


def test_the_version_is_the_same_everywhere():
    version = dvpt_monai.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
    for metadata in ROOT.glob("bundles/*/configs/metadata.json"):
        assert json.loads(metadata.read_text())["required_packages_version"]["dvpt-monai"] == version, metadata


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
)
def test_documents_point_to_what_exists(document):
    text = (ROOT / document).read_text()
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    files = re.findall(r"(?:\./)?((?:scripts|configs|\.ci)/[\w./]+)", text)
    folders = [ROOT, (ROOT / document).parent, *ROOT.glob("bundles/*")]
    assert [path for path in links + files if not any((folder / path).exists() for folder in folders)] == []


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)

    def small_and_always_the_same(source, **arguments):
        torch.manual_seed(0)
        return UNETR(**arguments, hidden_size=24, mlp_dim=48, num_layers=3, num_heads=2)

    monkeypatch.setattr(UNETR, "from_pretrained", small_and_always_the_same)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "% of the backbone" in capsys.readouterr().out


@pytest.mark.slow
def test_a_wheel_makes_bundles_without_the_checkout(tmp_path):
    """It carries what every bundle has word for word."""
    pytest.importorskip("setuptools")  # which builds wheels, and needs not be where the tests run
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    shutil.copytree(ROOT / "dvpt_monai", source / "dvpt_monai", ignore=shutil.ignore_patterns("__pycache__"))
    built = tmp_path / "built"
    build = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build_py", "--build-lib", str(built)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)

    code = (
        "from dvpt_monai import recipes\n"
        "for recipe in recipes.BUNDLES:\n"
        "    for name, text in recipes.files(recipe).items():\n"
        "        assert open(f'{root}/{recipe.name}/{name}').read() == text, name\n"
        "print(recipes.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(built)}
    code = f"root = {str(ROOT / 'bundles')!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == str(built / "dvpt_monai" / "recipes" / "__init__.py"), done.stderr
