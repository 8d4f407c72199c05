"""Side networks on the fundus bundle by options alone: cached training, and all that follows it."""

import csv
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from dvpt_monai.commands import main
from dvpt_monai.ship import check
from tests.conftest import NETWORK

pytestmark = pytest.mark.filterwarnings("ignore")
DEEP = {**NETWORK, "num_layers": 12}
METHODS = ("SideDVPT", "LST", "DTL", "FPTPlus")
ROWS = ("files", "JSON", "metadata", "models/model.pt", "network, train", "network, inference", "TorchScript",
        "torch.export")  # fmt: skip


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def options():
    """`options(method, tap, size)`: what the command line says."""

    def given(method, tap, size):
        network = {f"backbone#{name}": value for name, value in DEEP.items()}
        return {"method": {"_target_": f"dvpt_monai.{method}"}, "tap": tap, "image_size": size, **network}

    return given


@pytest.fixture
def trained(fundus, tmp_path, options):
    """`trained(method, tap, size)` trains from the cache, in a copy of the bundle."""

    def train(method, tap, size, name="bundle", **more):
        root = shutil.copytree(fundus.root, tmp_path / name / fundus.root.name,
                               ignore=shutil.ignore_patterns("models", "output"))  # fmt: skip
        given = {"cache_dir": str(tmp_path / "features"), "epochs": 2, "cache_features": 2, **more}
        copy = type(fundus)(root, fundus.data, fundus.images)
        copy.run("train", **options(method, tap, size), **given)
        return copy

    return train


def marks(method, tap, size):
    if (method, size) == ("SideDVPT", 224):
        return ()
    return pytest.mark.slow if (tap, size) == ("$None", 336) else pytest.mark.product


CASES = [
    pytest.param(method, tap, size, marks=marks(method, tap, size))
    for method in METHODS
    for tap, size in ((6, 224), ("$None", 224), (6, 336), ("$None", 336))
]


@pytest.mark.parametrize(("method", "tap", "size"), CASES)
@pytest.mark.bundle
def test_train_evaluate_and_predict(trained, options, tmp_path, method, tap, size):
    given = options(method, tap, size)
    bundle = trained(method, tap, size)
    depth = len(bundle.workflow("inference", **given).parser.get_parsed_content("network_def").vit.blocks)
    assert depth == (12 if tap == "$None" else tap)
    assert len(list((tmp_path / "features").iterdir())) == 2
    models, output = bundle.root / "models", bundle.root / "output"
    bundle.run("train", "evaluate", **given)
    bundle.run("inference", **given)
    evaluated = {row["image"]: row for row in rows(output / "predictions.csv")}
    predicted = {row["image"]: row for row in rows(output / "inference" / "predictions.csv")}
    assert len(evaluated) == 10
    for image, row in evaluated.items():
        one, other = float(row["probability_0"]), float(predicted[image.removeprefix("images/")]["probability_0"])
        assert one == pytest.approx(other, abs=1e-5)

    parser = bundle.workflow("inference", **given).parser
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(models / "model.pt", weights_only=True))
    learned = load_file(models / "adapter.safetensors")
    assert learned and all(torch.equal(network.state_dict()[key], value) for key, value in learned.items())
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        expected = network(images)
        torch.testing.assert_close(torch.jit.script(network)(images), expected)
        torch.testing.assert_close(torch.export.export(network, (images,)).module()(images), expected)


@pytest.mark.bundle
@pytest.mark.parametrize("method", ["SideDVPT", *(pytest.param(name, marks=pytest.mark.slow) for name in METHODS[1:])])
def test_it_trains_as_from_images(trained, method):
    given = {"cache_features": 0, "train#dataloader#views": 2}
    runs = [
        trained(method, 6, 224, cache_dtype="float32"),
        trained(method, 6, 224, "plain", **given),
        trained(method, 6, 224, "other", **given, seed=1),
    ]
    cached, plain, other = (
        [float(value or "nan") for row in rows(run.root / "output" / "curves.csv") for value in row.values()]
        for run in runs
    )
    assert len(cached) >= 6 and cached == pytest.approx(plain, abs=1e-4, nan_ok=True)
    assert other != pytest.approx(plain, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("method", ["SideDVPT", *(pytest.param(name, marks=pytest.mark.slow) for name in METHODS[1:])])
@pytest.mark.bundle
def test_the_commands_take_what_it_trained(trained, fundus, tmp_path, monkeypatch, method):
    """Once another backbone stands in the configs, and the images in the metadata, as `check-bundle` says."""
    bundle = trained(method, "$None", 224)
    chosen = {title: row for title, row in check.CHECKS.items() if title in ROWS}
    monkeypatch.setattr(check, "CHECKS", chosen)
    before = {row.check: row for row in check.check_bundle(bundle.root)}["models/model.pt"]
    assert before.result == "failed" and f'"dvpt_monai.{method}"' in before.remedy
    assert '"tap": null' in before.remedy and '"image_size": 224' in before.remedy
    for config in ("train", "inference"):
        path = bundle.root / "configs" / f"{config}.json"
        content = json.loads(path.read_text())
        if config == "train":
            content |= {"method": {"_target_": f"dvpt_monai.{method}"}, "tap": None, "image_size": 224}
        content["backbone"].update(DEEP)
        path.write_text(json.dumps(content))
    between = {row.check: row for row in check.check_bundle(bundle.root)}
    told = between["network, inference"].remedy
    assert "has spatial_shape [56, 56], the adapter was trained with --image_size 224" in told
    assert between["TorchScript"].result == between["torch.export"].result == "skipped"
    path = bundle.root / "configs" / "metadata.json"
    path.write_text(path.read_text().replace("56", "224"))
    failed = [row for row in check.check_bundle(bundle.root) if row.result == "failed"]
    assert not failed
    command = ["predict", "--bundle", bundle.root, "--input", fundus.data / "images", "--output", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["dvpt_monai", *map(str, command)])
    main()
    assert len(rows(tmp_path / "out" / "predictions.csv")) == 30
