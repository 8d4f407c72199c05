"""Who may import whom: the rooms of the package as a table, read against the imports of its files."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dvpt_monai"

GROUND = {
    *("bundle_files", "cache", "errors", "held_folder", "lazy", "moved", "sha256", "tables", "torch_file", "version"),
    *("system_memory", "units", "whole_file"),
}
"""What every room may import, and what imports nothing but each other."""

MAY_IMPORT = {
    # tuning, and what is tuned
    "tuning": set(),
    "networks": {"tuning"},
    "methods": {"networks", "tuning"},
    "networks.dvpt": {"methods", "networks", "tuning"},  # the only network that knows methods
    "the package": {"methods", "networks", "networks.dvpt", "optimizers", "tuning"},
    # what a training is made of
    "checkpoints": set(),
    "formats": set(),
    "inferers": set(),
    "losses": set(),
    "metrics": set(),
    "optimizers": {"tuning"},
    "data": set(),
    "layouts": {"data", "formats"},
    "transforms": {"data", "formats"},
    "phantoms": {"data"},
    "reports": {"metrics"},
    "features": {"data", "tuning"},
    "handlers": {"checkpoints", "data", "formats", "metrics", "networks", "reports", "tuning"},
    # what stands on top
    "bundle": {"checkpoints", "formats", "networks", "phantoms", "tuning"},
    "predict": {"data", "formats", "handlers", "inferers", "transforms"},
    "recipes": {"data", "formats"},
    "ship": {"networks", "tuning"},
    "verify": {"data", "formats", "layouts"},
    "new_bundle": {"data", "formats", "layouts", "networks", "recipes", "transforms", "verify"},
    "compare": {"bundle", "data", "handlers", "metrics", "reports", "the package", "tuning"},
    "commands": {
        *("compare", "data", "features", "layouts", "networks", "new_bundle", "phantoms", "predict", "recipes", "ship"),
        "tuning",
        "verify",
    },
    "__main__": {"commands"},
}
"""Each room, and the rooms that it may import beside the ground and itself."""


def modules(root):
    """The file of each module, by its name below the package; that of the package itself is empty."""
    names = {path: path.relative_to(root).with_suffix("").parts for path in sorted(root.rglob("*.py"))}
    return {".".join(name[:-1] if name[-1] == "__init__" else name): path for path, name in names.items()}


def room_of(module):
    if module.startswith("networks.dvpt"):
        return "networks.dvpt"
    return module.split(".")[0] or "the package"


def imports(path, known, package="dvpt_monai", types=True):
    """The modules of the package that a file imports, in functions too; without those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = set()
    if not types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                left_out |= {inner for part in node.body for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == package:
                    yield alias.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from (f"{path}: a relative import, which this test cannot read" for _ in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == package:
            module = node.module.partition(".")[2]
            for alias in node.names:
                below = f"{module}.{alias.name}".lstrip(".")
                yield below if below in known else module


def forbidden(root, package="dvpt_monai", may=MAY_IMPORT, ground=GROUND):
    """Every import that the table does not allow, in words."""
    files = modules(root)
    for module, path in files.items():
        room = room_of(module)
        if room not in ground and room not in may:
            yield f"{path.relative_to(root)} is of a room that the table lacks: {room}"
            continue
        allowed = ground | {room} | (set() if room in ground else may[room])
        for target in imports(path, files, package):
            if room_of(target) not in allowed:
                yield f"{path.relative_to(root)} ({room}) imports {target or package} ({room_of(target)})"


def circle(root, package="dvpt_monai"):
    """Modules that import each other round about; empty if there are none."""
    files = modules(root)
    graph = {module: set(imports(path, files, package, types=False)) - {module} for module, path in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_rooms_import_what_they_may():
    assert not list(forbidden(PACKAGE))


def test_no_circle():
    assert not circle(PACKAGE)


def test_the_table_itself_runs_downwards():
    assert {name for rooms in MAY_IMPORT.values() for name in rooms} <= MAY_IMPORT.keys()
    TopologicalSorter(MAY_IMPORT).prepare()


def too_long(root, lines=300):
    """Files with more lines than a reader wants to hold in mind."""
    return [str(path) for path in sorted(root.rglob("*.py")) if len(path.read_text("utf-8").splitlines()) > lines]


def test_a_file_has_at_most_300_lines():
    assert not too_long(PACKAGE)


@pytest.mark.parametrize("room", ["handlers", "metrics", "reports"])
@pytest.mark.parametrize("library", ["matplotlib", "sklearn"])
def test_heavy_libraries_wait_until_they_are_needed(room, library):
    """Outside of functions nothing imports them: whoever trains does not wait for what draws."""
    for path in (PACKAGE / room).rglob("*.py"):
        assert library not in imported_at_once(ast.parse(path.read_text(encoding="utf-8"))), path


def imported_at_once(tree):
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {
        name.split(".")[0]
        for node in nodes
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module])
    }


# --- negative controls: a house of straw


@pytest.fixture
def straw(tmp_path):
    """`straw("handlers/loader", "import numpy", ...)` writes these files into a package."""

    def build(*names_and_texts):
        for name, text in zip(names_and_texts[::2], names_and_texts[1::2], strict=True):
            path = tmp_path / "straw" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "straw"

    return build


ROOMS = {"may": {"handlers": {"metrics"}, "metrics": set(), "ship": {"handlers"}}, "ground": {"errors"}}


@pytest.mark.parametrize(
    "line",
    [
        "from straw.ship.pack import pack",
        "import straw.ship.pack",
        "from straw.ship import pack",
        "from straw import ship",
        "def late():\n    from straw.ship import pack",
    ],
)
def test_a_forbidden_import_is_found(straw, line):
    root = straw("handlers/loader", line, "ship/__init__", "", "ship/pack", "", "metrics/dice", "")
    [found] = forbidden(root, "straw", **ROOMS)
    assert found.startswith("handlers/loader.py (handlers) imports ship")


def test_allowed_imports_and_foreign_ones_are_not(straw):
    line = "import numpy, shipping\nfrom straw.metrics.dice import dice\nfrom straw.errors import DataError"
    assert not list(forbidden(straw("handlers/loader", line, "metrics/dice", "", "errors", ""), "straw", **ROOMS))


def test_the_ground_imports_no_room_and_new_rooms_have_to_be_entered(straw):
    root = straw("errors", "from straw.metrics.dice import dice", "metrics/dice", "", "attic/box", "")
    assert sorted(forbidden(root, "straw", **ROOMS)) == [
        "attic/box.py is of a room that the table lacks: attic",
        "errors.py (errors) imports metrics.dice (metrics)",
    ]


def test_a_circle_is_found_but_not_one_of_types(straw):
    one, other = "from straw.metrics.b import x", "def f():\n    import straw.metrics.a"
    assert set(circle(straw("metrics/a", one, "metrics/b", other), "straw")) == {"metrics.a", "metrics.b"}
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import straw.metrics.a"
    assert not circle(straw("metrics/a", one, "metrics/b", typed), "straw")


def test_a_heavy_import_is_found_where_it_is_at_once():
    assert "sklearn" in imported_at_once(ast.parse("from sklearn.metrics import auc"))
    assert "sklearn" not in imported_at_once(ast.parse("def auc():\n    from sklearn.metrics import auc"))


def test_a_long_file_is_found(straw):
    root = straw("metrics/dice", "x = 1\n" * 300, "metrics/kappa", "x = 1\n" * 301)
    assert [Path(path).name for path in too_long(root)] == ["kappa.py"]
