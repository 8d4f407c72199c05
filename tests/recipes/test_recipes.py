"""The bundles are what their recipes make of them, and what people change stands first."""

import importlib
import json
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from dvpt_monai import __main__ as command_line
from dvpt_monai.errors import BundleError
from dvpt_monai.recipes import BUNDLES, configs, files, write_bundles

ROOT = Path(__file__).parents[2]
NAMES = [recipe.name for recipe in BUNDLES]
FIRST = [
    "dataset_dir",
    "models_dir",
    "output_dir",
    "backbone_weights",
    "method",
    "image_size",
    "epochs",
    "batch_size",
    "learning_rate",
    "head_learning_rate",
]
"""What a reader of any bundle's train.json finds at its top."""

NO_OLD_PLACES = pytest.mark.filterwarnings("ignore", "error:dvpt_monai.* is now:DeprecationWarning")


@pytest.fixture
def copy(tmp_path):
    """The bundles without their weights."""
    shutil.copytree(ROOT / "bundles", tmp_path / "bundles", ignore=shutil.ignore_patterns("models", "output", "*.png"))
    return tmp_path / "bundles"


def edit(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}, indent=4))


# --- the folders


def test_every_bundle_has_a_recipe():
    assert sorted(path.name for path in (ROOT / "bundles").iterdir() if (path / "configs").is_dir()) == NAMES


def test_no_bundle_is_stale():
    assert write_bundles(ROOT / "bundles", check=True) == [], "python -m dvpt_monai write-bundles writes them anew"


def test_what_was_changed_by_hand_is_found_and_written_anew(copy):
    edit(copy / NAMES[0] / "configs" / "train.json", epochs=99)
    (copy / NAMES[1] / "configs" / "evaluate.json").unlink()
    stale = [f"{NAMES[0]}/configs/train.json", f"{NAMES[1]}/configs/evaluate.json"]
    assert write_bundles(copy, check=True) == stale
    assert json.loads((copy / NAMES[0] / "configs" / "train.json").read_text())["epochs"] == 99
    assert write_bundles(copy) == stale
    assert write_bundles(copy) == []


def test_pages_are_left_alone(copy):
    page = copy / NAMES[0] / "docs" / "README.md"
    page.write_text("mine")
    assert write_bundles(copy) == [] and page.read_text() == "mine"


def test_a_folder_without_bundles(tmp_path):
    with pytest.raises(BundleError, match="no such bundle"):
        write_bundles(tmp_path)


def test_the_command_names_what_is_stale(copy, monkeypatch, capsys):
    edit(copy / NAMES[0] / "configs" / "train.json", epochs=99)
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", "write-bundles", "--check", "--root", str(copy)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 1
    assert f"error: {NAMES[0]}/configs/train.json: not as the recipes" in capsys.readouterr().err


def test_the_licence_is_that_of_the_project():
    assert files(BUNDLES[0])["LICENSE"] == (ROOT / "LICENSE").read_text()


# --- the configs


@pytest.mark.parametrize("name", NAMES)
def test_what_people_change_stands_first(name):
    text = (ROOT / "bundles" / name / "configs" / "train.json").read_text()
    opening, first, *rest = text.split("\n\n")
    ids = list(json.loads("{" + first.rstrip(",") + "}"))
    assert ids[: len(FIRST)] == FIRST and {"fold", "seed", "device", "precision"} <= set(ids) and len(ids) <= 16
    assert list(json.loads(opening.rstrip(",") + "}")) == ["imports", "bundle_root"]
    assert len(rest) > 8 and "train" not in ids


def test_one_change_reaches_all_its_places():
    """The size of the images stands in the metadata, too; the method in all configs that build it."""
    recipe = BUNDLES[NAMES.index("fundus_dr_classification")]
    images, network = replace(recipe.images, size=224), replace(recipe.network, method={"_target_": "dvpt_monai.LoRA"})
    made = files(replace(recipe, images=images, network=network))
    train, evaluate, inference, metadata = (
        json.loads(made[f"configs/{name}.json"]) for name in ("train", "evaluate", "inference", "metadata")
    )
    assert train["image_size"] == 224 and train["method"] == {"_target_": "dvpt_monai.LoRA"}
    for after in (evaluate, inference):
        assert after["image_size"] == "$bundle.trained('image_size', @trained_files[0], 224)"
        assert after["method"] == "$bundle.trained_method(@trained_files[0], 'LoRA')"
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [224, 224]


def test_an_id_that_two_parts_name_is_an_error():
    """Not the last of them in silence."""
    recipe = BUNDLES[0]
    twice = replace(recipe, images=replace(recipe.images, options={"warmup": 0.5}))
    with pytest.raises(TypeError, match="warmup"):
        configs(twice)
    twice = replace(recipe, images=replace(recipe.images, options={"seed": 1}))
    with pytest.raises(BundleError, match="'seed' stands in two paragraphs"):
        files(twice)


def targets(value):
    """Every class and function that a config names by its place."""
    if isinstance(value, dict):
        yield from ([value["_target_"]] if "_target_" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from targets(item)


@pytest.mark.parametrize("recipe", BUNDLES, ids=NAMES)
def test_names_stand_where_they_are_now(recipe):
    """No target answers from a place that it has left."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        for paragraphs in configs(recipe).values():
            for target in targets([*paragraphs]):
                if target.startswith("dvpt_monai."):
                    place, _, name = target.rpartition(".")
                    assert hasattr(importlib.import_module(place), name), target


@NO_OLD_PLACES
@pytest.mark.parametrize("bundle", ["fundus", "hippocampus", "chest", "adrenal", "lesions"])
def test_everything_in_the_configs_can_be_built(bundle, request):
    """Every id, but for those that run; without one call of an old place."""
    made = request.getfixturevalue(bundle)
    train = made.workflow("train").parser
    for name in (name for name in train.get() if name not in ("training", "run", "imports")):
        train.get_parsed_content(name)
    inference = made.workflow("inference", workflow_type="inference").parser
    for name in (name for name in inference.get() if name not in ("inferring", "run", "imports")):
        inference.get_parsed_content(name)


@NO_OLD_PLACES
def test_an_old_place_is_found_out():
    """The negative control of the two above."""
    with pytest.raises(Exception) as error:
        ConfigParser({"imports": ["$import dvpt_monai.bundle as bundle"], "a": "$bundle.one_cycle"}).get_parsed_content(
            "a"
        )
    assert "is now dvpt_monai.optimizers.one_cycle" in f"{error.value!r} {error.value.__cause__!r}"
