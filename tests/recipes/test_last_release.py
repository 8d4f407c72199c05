"""Bundles of the last release train, evaluate and predict as they are, and are told where the names are now."""

import io
import json
import re
import subprocess
import tarfile
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELEASE = "0884af6"
"""The commit whose bundles people have."""
SMALL = ("image_size", "longest_side", "patch_size", "tap", "feature_size")
"""Ids of the tiny bundles in conftest.py, beside the sizes of their backbone."""
MOVED = re.compile(r"dvpt_monai\.(?:bundle|data)\.[A-Z]\w+|bundle\.one_cycle")
"""Names of the release that stand elsewhere now."""
UNUSED = defaultdict(set)
UNUSED["adrenal_ct_classification"] = {"dvpt_monai.bundle.Spacingd"}  # of its disabled step
UNUSED["fundus_lesion_segmentation"] = {"dvpt_monai.bundle.LabelMapd"}  # for MONAI Label alone


def released(name, folder):
    """The configs of a bundle as they were, from the history."""
    archive = ["git", "-C", str(ROOT), "archive", RELEASE, f"bundles/{name}"]
    try:
        done = subprocess.run(archive, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no git, or a history without {RELEASE}, from which the bundles of the last release are read")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
        files.extractall(folder, [file for file in files if "/configs/" in file.name], filter="data")
    return folder / "bundles" / name


OLD = (
    "fundus",
    *(pytest.param(name, marks=pytest.mark.bundle) for name in ("hippocampus", "chest", "adrenal", "lesions")),
)


@pytest.fixture(params=OLD)
def old(request, tmp_path):
    """A bundle of the release with the tiny network and the phantoms of today's."""
    today = request.getfixturevalue(request.param)
    root = released(today.root.name, tmp_path)
    for config in ("train", "inference"):
        path = root / "configs" / f"{config}.json"
        content, tiny = (json.loads(place.read_text()) for place in (path, today.root / "configs" / "train.json"))
        sizes = ("hidden_size", "mlp_dim", "num_layers", "num_heads")
        content["backbone"].update({key: tiny["backbone"][key] for key in sizes})
        content.update({key: tiny[key] for key in SMALL if key in content})
        path.write_text(json.dumps(content))
    return replace(today, root=root, overrides={**today.overrides, "epochs": 1})


@pytest.mark.filterwarnings("ignore")
def test_a_bundle_of_the_last_release_works_and_is_told_what_moved(old):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old.run("train")
        old.run("train", "evaluate")
        old.run("inference")
    assert {"model.pt", "adapter.safetensors"} <= {path.name for path in (old.root / "models").iterdir()}
    assert "phantom" in (old.root / "output" / "metrics.json").read_text()
    assert any((old.root / "output" / "inference").iterdir())

    texts = [(old.root / "configs" / f"{name}.json").read_text() for name in ("train", "inference")]
    names = {name for text in texts for name in MOVED.findall(text)} - UNUSED[old.root.name]
    told = {str(warning.message) for warning in caught if issubclass(warning.category, DeprecationWarning)}
    silent = {name for name in names if not any(f"{name} is now dvpt_monai." in message for message in told)}
    assert names and not silent, told
