"""The gate: sound bundles pass it whole, and each broken thing fails its own row."""

import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from dvpt_monai import __main__ as command_line
from dvpt_monai.errors import BundleError
from dvpt_monai.ship import check
from tests.conftest import SAMPLED

pytestmark = pytest.mark.filterwarnings("ignore")

QUICK = ["files", "name", "JSON", "large files", "metadata", "metadata schema", "models/model.pt", "network, train",
         "network, inference"]  # fmt: skip
EXPORTS = ["models/model.pt", "TorchScript", "torch.export", "ONNX"]

BUNDLES = Path(__file__).parents[2] / "bundles"


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """An empty cache, no data but what a test gives."""
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DVPT_DATA", raising=False)


@pytest.fixture
def copy(fundus, tmp_path):
    """A tiny bundle to break."""
    untrained = shutil.ignore_patterns("models", "output")
    return Path(shutil.copytree(fundus.root, tmp_path / "w" / fundus.root.name, ignore=untrained))


@pytest.fixture
def rows(monkeypatch):
    """`rows(folder, titles)` checks these rows alone, in the order of the table, and gives them by title."""

    def some(folder, titles, **given):
        chosen = {title: row for title, row in check.CHECKS.items() if title in {"files", "JSON", "metadata", *titles}}
        monkeypatch.setattr(check, "CHECKS", chosen)
        return {row.check: row for row in check.check_bundle(folder, **given)}

    return some


def edit(folder, config, **values):
    """Set values in a config, by their ids; `None` takes them out."""
    path = folder / "configs" / f"{config}.json"
    content = json.loads(path.read_text())
    for key, value in values.items():
        place = content
        *parents, last = key.split("__")
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    path.write_text(json.dumps(content, indent=4))


def network(folder, code):
    """A network of the bundle's own, in its folder, for both configs."""
    (folder / "own_network.py").write_text(f"import torch\n\n\nclass Own(torch.nn.Module):\n{code}")
    for config in ("train", "inference"):
        edit(folder, config, network_def={"_target_": "own_network.Own"})


@pytest.fixture
def own_network(copy):
    """`own_network(line)` makes the bundle's network from the line that computes y from x (B, 3, 56, 56)."""
    yield lambda line: network(
        copy,
        "    def __init__(self):\n        super().__init__()\n        self.layer = torch.nn.Linear(3, 5)\n\n"
        f"    def forward(self, x):\n        x = x.mean((2, 3))\n{line}\n        return self.layer(x)\n",
    )
    sys.modules.pop("own_network", None)


def content(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


# --- the whole table


@pytest.mark.slow
@pytest.mark.export
@pytest.mark.parametrize("name", SAMPLED)
def test_a_sound_bundle_passes_and_is_not_touched(name, request, tmp_path):
    bundle = request.getfixturevalue(name)
    before = content(bundle.root)
    rows = check.check_bundle(bundle.root, str(bundle.data), str(bundle.data / bundle.images), schema=None)
    assert [row.check for row in rows] == list(check.CHECKS)
    results = {row.check: row.result for row in rows}
    optional = {"metadata schema"}
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
        optional.add("ONNX")
    assert {row for row, result in results.items() if result != "passed"} <= optional, check.table(rows)
    assert content(bundle.root) == before
    assert not (tmp_path / "cache").exists(), "the gate reached for a backbone"


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLES.iterdir() if path.is_dir()))
def test_the_bundles_metadata_fit_the_schema(name, rows):
    schema = Path(__file__).parents[3] / "shared" / "schema" / "meta_schema_20240725.json"
    if not schema.is_file():
        pytest.skip("the metadata schema is not at ../shared/schema")
    found = rows(BUNDLES / name, ["metadata schema"], schema=str(schema))
    assert found["metadata schema"].result == "passed"


def test_quick_rows_pass(copy, rows):
    found = rows(copy, QUICK)
    assert {row for row, value in found.items() if value.result != "passed"} == {"metadata schema"}
    assert found["metadata schema"].result == "skipped" and "--schema" in found["metadata schema"].remedy
    assert "random weights" in found["models/model.pt"].detail


# --- broken things


def without(file):
    return lambda folder: (folder / file).unlink()


def written(file, text):
    return lambda folder: (folder / file).write_text(text)


def edited(config, **values):
    return lambda folder: edit(folder, config, **values)


def replaced(config, old, new):
    def replace(folder):
        path = folder / "configs" / f"{config}.json"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return replace


def heavy(folder):
    with (folder / "docs" / "film.bin").open("wb") as file:
        file.truncate(25_000_001)


def saved(state):
    def save(folder):
        (folder / "models").mkdir()
        torch.save(state(folder), folder / "models" / "model.pt")

    return save


def of_the_config(folder, **changed):
    from dvpt_monai.ship.network import network_of

    return {**network_of(folder).state_dict(), **changed}


def truncated(folder):
    saved(of_the_config)(folder)
    path = folder / "models" / "model.pt"
    path.write_bytes(path.read_bytes()[:1000])


HEAD = torch.zeros(5)
BROKEN = [
    ("files", without("LICENSE"), "LICENSE"),
    ("files", without("docs/README.md"), "README"),
    ("files", without("configs/train.json"), "train.json"),
    ("files", without("configs/inference.json"), "inference.json"),
    ("files", without("configs/metadata.json"), "metadata.json"),
    ("JSON", written("configs/evaluate.json", '{"a": 1,}'), "evaluate.json"),
    ("JSON", written("configs/evaluate.json", '{"a": 1, "a": 2}'), "'a' stands twice"),
    ("JSON", written("configs/evaluate.json", '{\n  "a": 1\n}'), "line 2"),
    ("JSON", written("configs/evaluate.json", "[1]"), "no object"),
    ("large files", heavy, "film.bin"),
    ("large files", written("large_files.yml", "large_files: [{path: models/model.pt}]"), "lacks url"),
    ("metadata", edited("metadata", version="1.0"), "not like 0.1.0"),
    ("metadata", edited("metadata", version="9.0.0"), "changelog"),
    ("metadata", edited("metadata", intended_use=None), "intended_use is missing"),
    ("metadata", edited("metadata", optional_packages_version={}), "optional_packages_version"),
    ("metadata", edited("metadata", required_packages_version={}), "dvpt-monai"),
    ("metadata", edited("metadata", network_data_format__inputs={}), "inputs#image is missing"),
    ("metadata", edited("metadata", network_data_format__inputs__image__num_channels="3"), "num_channels is no int"),
    ("metadata", edited("metadata", network_data_format__outputs__pred__channel_def={"0": "x"}), "channels 0 to 4"),
    ("models/model.pt", saved(lambda folder: {"weight": torch.ones(2)}), "lacks"),
    ("models/model.pt", saved(lambda folder: of_the_config(folder, more=HEAD)), "holds more"),
    ("models/model.pt", saved(lambda folder: of_the_config(folder, **{"head.bias": HEAD / 0})), "NaN"),
    ("models/model.pt", saved(lambda folder: [1, 2]), "no state dict"),
    ("models/model.pt", truncated, "cannot be read"),
    ("network, train", edited("train", num_classes=4), "channel number"),
    ("network, inference", edited("inference", image_size=70), "img_size|size"),
]


@pytest.mark.parametrize(("row", "breaks", "words"), BROKEN, ids=[f"{row}-{words}" for row, _, words in BROKEN])
def test_a_broken_thing_fails_its_row(copy, rows, row, breaks, words):
    breaks(copy)
    found = rows(copy, [*QUICK, row])
    failed = [title for title, value in found.items() if value.result == "failed"]
    assert failed == [row], check.table(list(found.values()))
    assert any(word in found[row].detail for word in words.split("|")), found[row].detail
    assert found[row].remedy


@pytest.mark.parametrize("name", ["Eyes_classification", "eyes-classification", "2_eyes_classification"])
def test_a_wrong_name(copy, rows, name):
    assert rows(copy.rename(copy.with_name(name)), ["name"])["name"].result == "failed"


def test_a_name_without_its_task_is_told(copy, rows):
    found = rows(copy.rename(copy.with_name("mine")), ["name"])["name"]
    assert found.result == "passed" and "MONAI Label" in found.detail


def test_the_schema_that_is_given_decides(copy, rows, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text('{"properties": {"authors": {"const": "somebody else"}}}')
    found = rows(copy, ["metadata schema"], schema=str(schema))["metadata schema"]
    assert found.result == "failed" and "somebody else" in found.detail
    assert rows(copy, ["metadata schema"], schema="/nowhere.json")["metadata schema"].result == "failed"


def test_the_schema_is_fetched_once_and_kept(copy, rows, tmp_path):
    schema = tmp_path / "meta_schema.json"
    schema.write_text('{"required": ["version"]}')
    edit(copy, "metadata", schema=schema.as_uri())
    assert rows(copy, ["metadata schema"], schema="fetch")["metadata schema"].result == "passed"
    schema.unlink()
    assert rows(copy, ["metadata schema"])["metadata schema"].result == "passed"
    assert (tmp_path / "cache" / "schemas" / "meta_schema.json").is_file()


# --- workflows


PROPERTIES = [
    ("properties, train", edited("train", val_interval=None), "val_interval"),
    ("properties, train", edited("train", train__inferer=None), "train_inferer"),
    ("properties, train", edited("train", train__dataset__transform="@no_such_id"), "no_such_id"),
    ("properties, evaluate", edited("evaluate", test_cases="$data.no_such_function()"), "no_such_function"),
    ("properties, inference", edited("inference", output_dir=None), "output_dir"),
    ("properties, inference", edited("inference", inferer={"_target_": "no.such.Inferer"}), "no.such.Inferer"),
]


@pytest.mark.parametrize(("row", "breaks", "words"), PROPERTIES, ids=[words for *_, words in PROPERTIES])
def test_a_missing_property_fails_its_row(copy, fundus, rows, row, breaks, words):
    given = {"dataset_dir": str(fundus.data), "images": str(fundus.data / fundus.images)}
    breaks(copy)
    found = rows(copy, [row], **given)
    assert found[row].result == "failed" and words in found[row].detail + found[row].remedy, found[row]


def test_properties_without_data_are_skipped(copy, rows):
    found = rows(copy, ["properties, train", "properties, inference"])
    assert {value.result for title, value in found.items() if title.startswith("properties")} == {"skipped"}
    assert "phantoms" in found["properties, train"].remedy
    found = rows(copy, ["properties, train"], dataset_dir="/nowhere")
    assert "no data at /nowhere" in found["properties, train"].detail


def test_a_missing_property_is_found_without_data(copy, rows):
    edit(copy, "train", train__trainer=None)
    assert "train#trainer" in rows(copy, ["properties, train"])["properties, train"].remedy


# --- exports


NETWORKS = {
    "sound": ("        x = x + 0", set()),
    "no script": ("        x = torch.stack([x for _ in {x.dim()}]).sum(0)", {"TorchScript"}),
    "random": ("        x = x + torch.rand(1)", {"TorchScript", "torch.export", "ONNX"}),
    "a fixed batch": ("        x = x + x.reshape(2, 3).mean(0)", {"torch.export", "ONNX", "TorchScript"}),
    "control flow": (
        "        if bool(x.sum() > 0):\n            x = x + 1",
        {"torch.export", "ONNX"},
    ),
}


@pytest.mark.export
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in ("sound", "no script") else pytest.mark.slow) for kind in NETWORKS]
)
def test_a_network_that_does_not_export_fails_that_row(kind, copy, rows, own_network):
    line, expected = NETWORKS[kind]
    own_network(line)
    found = rows(copy, EXPORTS)
    failed = {title for title, value in found.items() if value.result == "failed"}
    if found["ONNX"].result == "skipped":
        expected = expected - {"ONNX"}
    assert failed == expected, check.table(list(found.values()))


def test_without_onnx_the_row_names_the_extra(copy, rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    found = rows(copy, ["models/model.pt", "ONNX"])["ONNX"]
    assert found.result == "skipped" and "dvpt_monai[onnx]" in found.remedy


# --- two processes

PAIR = {
    "imports+": ["$import torch"],
    "initialize": [
        "$torch.distributed.init_process_group('gloo')",
        "$monai.utils.set_determinism(seed=@seed)",
    ],
    "run": [
        "$torch.distributed.barrier()",
        "$@train#trainer.run()",
        "$1 / (torch.distributed.get_world_size() == 2)",
        "$torch.distributed.destroy_process_group()",
    ],
}


def test_what_is_left_to_do_is_told(copy, rows):
    assert rows(copy, ["JSON", "files", "metadata"])["metadata"].detail == "version 0.3.0"
    path = copy / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "authors": "TO DO: your names"}))
    found = rows(copy, ["JSON", "files", "metadata"])["metadata"]
    assert found.result == "passed" and found.detail == "version 0.3.0; TO DO is left in configs/metadata.json"


@pytest.mark.bundle
@pytest.mark.parametrize(("backend", "result"), [("gloo", "passed"), ("no_such_backend", "failed")])
def test_two_processes(copy, fundus, rows, backend, result):
    pair = json.dumps(PAIR, indent=4).replace("gloo", backend)
    (copy / "configs" / "multi_gpu_train.json").write_text(pair)
    found = rows(copy, ["2 processes, train"], dataset_dir=str(fundus.data))["2 processes, train"]
    assert found.result == result, found
    assert result == "passed" or backend in found.detail
    assert not (copy / "models").exists() and not (copy / "output").exists()


@pytest.mark.bundle
@pytest.mark.parametrize(
    ("end", "told"),
    [("1 / 0", "division by zero"), ("os.abort()", "Fatal Python error"), ("os.kill(os.getpid(), 9)", "-9")],
)
def test_a_pair_that_fails_when_it_has_met_tells_how(copy, fundus, rows, end, told):
    meet = "$torch.distributed.init_process_group('gloo')"
    pair = {"imports+": ["$import os", "$import torch"], "initialize": [meet, f"${end}"]}
    (copy / "configs" / "multi_gpu_train.json").write_text(json.dumps(pair))
    found = rows(copy, ["2 processes, train"], dataset_dir=str(fundus.data))["2 processes, train"]
    assert found.result == "failed" and told in found.detail, found


def test_a_pair_that_hangs_is_ended(copy, fundus, rows, monkeypatch):
    from dvpt_monai.ship.check import workflows

    monkeypatch.setattr(workflows, "LIMIT", 0.1)
    (copy / "configs" / "multi_gpu_train.json").write_text("{}")
    found = rows(copy, ["2 processes, train"], dataset_dir=str(fundus.data))["2 processes, train"]
    assert found.result == "failed" and "not finished" in found.detail


# --- the command


def say(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", *map(str, words)])
    command_line.main()


def test_the_command_prints_the_table_and_its_exit_code_tells(copy, monkeypatch, capsys):
    monkeypatch.setattr(check, "CHECKS", {title: check.CHECKS[title] for title in ("files", "name")})
    say(monkeypatch, "check-bundle", copy)
    said = capsys.readouterr()
    assert "2 passed, 0 failed, 0 skipped" in said.out
    assert said.err.splitlines() == [f"{copy.name}: files ...", f"{copy.name}: name ..."]
    (copy / "LICENSE").unlink()
    with pytest.raises(SystemExit) as exit:
        say(monkeypatch, "check-bundle", copy)
    assert exit.value.code == 1
    assert "failed: missing: LICENSE" in capsys.readouterr().out


def test_no_bundle(tmp_path, monkeypatch, capsys):
    with pytest.raises(BundleError, match="no folder configs"):
        check.check_bundle(tmp_path)
    with pytest.raises(SystemExit):
        say(monkeypatch, "check-bundle", tmp_path)
    assert "error:" in capsys.readouterr().err
