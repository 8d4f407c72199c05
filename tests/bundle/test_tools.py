"""What MONAI's tools ask of a bundle: files, metadata, properties, verification, export, load; from another folder."""

import ast
import json
import re
from pathlib import Path

import pytest
import torch

from dvpt_monai.errors import reason

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())
FILES = [
    "LICENSE",
    "configs/metadata.json",
    "configs/train.json",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/logging.conf",
    "docs/README.md",
    "docs/data_license.txt",
]
# what MONAI Label, federated clients and users on the command line rely on
IDS = {
    "train": ["backbone_weights", "network", "network_def", "train#dataset#data", "train#handlers", "training", "run",
              "validate#dataset#data", "val_interval", "method", "epochs", "batch_size", "learning_rate", "device",
              "workers", "label_fraction", "fold", "folds", "seed", "output_dir", "precision", "datalist"],
    "evaluate": ["evaluating", "run", "checkpoint", "adapter"],
    "inference": ["inferring", "run", "network_def", "preprocessing", "postprocessing", "inferer", "adapter"],
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore")


def read(name, config):
    return json.loads((BUNDLES / name / "configs" / f"{config}.json").read_text())


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Stand in another folder, with an empty cache and no data in sight."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DVPT_DATA", raising=False)
    yield
    kept = {path.name for path in (tmp_path / "cache").glob("*")}
    assert kept <= {"features"}, "a tool of MONAI's reached for a backbone"


@pytest.mark.parametrize("name", NAMES)
def test_files_are_there(name):
    assert [file for file in FILES if not (BUNDLES / name / file).is_file()] == []
    assert name == name.lower() and name.endswith(("classification", "segmentation"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("config", ["train", "evaluate", "inference"])
def test_configs_hold_the_ids_and_read_well(name, config):
    text = (BUNDLES / name / "configs" / f"{config}.json").read_text()
    assert max(map(len, text.splitlines())) <= 120
    content = json.loads(text)
    for key in IDS[config]:
        value = content.get(key)
        if value is None:
            value = content
            for part in key.split("#"):
                assert part in value, key
                value = value[part]


def otherwise(value):
    """What a config has where no training tells."""
    told = re.fullmatch(r"\$bundle\.trained(_method)?\('?.*@trained_files\[0\], (.+)\)", str(value))
    if not told:
        return value
    found = ast.literal_eval(told[2])
    return {"_target_": f"dvpt_monai.{found}"} if told[1] else found


@pytest.mark.parametrize("name", NAMES)
def test_train_and_inference_build_the_same_network(name):
    train, inference = read(name, "train"), read(name, "inference")
    built = {key: value for key, value in train["backbone"].items() if key not in ("_mode_", "head_dropout")}
    assert built == inference["backbone"]
    shared = ["num_classes", "image_size", "tap", "method", "train_patterns", "spacing", "feature_size", "pooling",
              "standardize", "patch_size", "image_mean", "image_std", "decision", "threshold", "subset", "labels",
              "in_channels", "longest_side", "overlap", "backbone_weights"]  # fmt: skip
    for key in (*shared, "structures"):
        assert train.get(key) == otherwise(inference.get(key)), key


@pytest.mark.parametrize("name", NAMES)
def test_inference_prepares_images_as_training_does(name):
    """All deterministic steps, in the same order, but for what concerns labels."""
    train, inference = read(name, "train"), read(name, "inference")
    steps = [step for step in train["prepare"] + train.get("normalize", []) if step["keys"] != "label"]
    for step in steps:
        if step["keys"] == ["image", "label"]:
            step["keys"] = "image"
            step.pop("structures", None)
            for name in ("mode", "anti_aliasing"):
                if isinstance(step.get(name), list):
                    step[name] = step[name][0]
    assert steps == inference["preprocessing"]["transforms"]


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_valid_and_true(name, tmp_path):
    from monai.bundle import verify_metadata

    metadata = read(name, "metadata")
    assert metadata["version"] in metadata["changelog"]
    assert "optional_packages_version" not in metadata
    schema = Path(__file__).parents[3] / "shared" / "schema" / "meta_schema_20240725.json"
    if not schema.is_file():
        pytest.skip("the metadata schema is not at ../shared/schema")
    copy = tmp_path / schema.name
    copy.write_text(schema.read_text())
    verify_metadata(meta_file=str(BUNDLES / name / "configs" / "metadata.json"), filepath=str(copy))


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_what_the_metadata_say(name):
    from monai.bundle import verify_net_in_out

    configs = BUNDLES / name / "configs"
    for config in ("train", "inference"):
        verify_net_in_out("network_def", str(configs / "metadata.json"), str(configs / f"{config}.json"), device="cpu")


def test_no_property_is_missing(trained):
    assert trained.workflow("train").check_properties() == []
    assert trained.workflow("train", "evaluate").check_properties() == []
    assert trained.workflow("inference", workflow_type="inference").check_properties() == []


@pytest.mark.parametrize("config", ["train", "inference"])
def test_the_root_is_known_to_whoever_asks_the_parser(trained, config):
    assert trained.workflow(config).parser.get_parsed_content("bundle_root") == str(trained.root)


@pytest.mark.parametrize("workflow_type", ["train", "inference"])
def test_load_needs_the_checkpoint_alone(trained, workflow_type):
    import monai.bundle

    network = monai.bundle.load(
        trained.root.name, bundle_dir=trained.root.parent, workflow_type=workflow_type, device="cpu"
    )
    state = torch.load(trained.root / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.export
def test_export_gives_a_torchscript_of_equal_outputs(trained, tmp_path):
    from monai.bundle import ckpt_export

    target = tmp_path / "model.ts"
    ckpt_export(
        "network_def",
        filepath=str(target),
        ckpt_file=str(trained.root / "models" / "model.pt"),
        meta_file=str(trained.root / "configs" / "metadata.json"),
        config_file=str(trained.root / "configs" / "inference.json"),
    )
    network = trained.workflow("inference").network_def
    network.load_state_dict(torch.load(trained.root / "models" / "model.pt", weights_only=True))
    network.eval()
    metadata = json.loads((trained.root / "configs" / "metadata.json").read_text())
    image = metadata["network_data_format"]["inputs"]["image"]
    batch = torch.rand(1, image["num_channels"], *image["spatial_shape"])
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.load(target)(batch), network(batch), rtol=1e-5, atol=1e-5)


def test_preprocessing_takes_what_monai_label_gives(trained):
    """MONAI Label puts the path under `image_path` beside `image`."""
    preprocessing = trained.workflow("inference", workflow_type="inference").preprocessing
    path = str(sorted(p for p in (trained.data / trained.images).iterdir() if not p.name.startswith("."))[0])
    case = preprocessing({"image": path, "image_path": path})
    assert case["image_path"] == path and torch.isfinite(case["image"]).all()


@pytest.mark.parametrize("name", ["fundus", "adrenal"])
def test_monai_label_gets_all_scores(name, request):
    """It takes `post_transforms` where there are both, fits `pred` to the `image` if that is there, and lists it."""
    bundle = request.getfixturevalue(f"trained_{name}")
    workflow = bundle.workflow("inference", workflow_type="inference")
    scores = workflow.parser.get_parsed_content("post_transforms")
    case = {"image": torch.zeros(3, 8, 8), "image_meta_dict": {}, "pred": torch.arange(5.0)}
    own = workflow.postprocessing(case)
    for step in scores:
        case = step(case)
    assert case.keys() == {"pred"}
    assert torch.equal(case["pred"], own["probability"])


def test_training_takes_lists_from_outside(trained, tmp_path):
    """MONAI Label and federated clients replace the lists of cases; no data set of the bundle's own is then needed."""
    parser = trained.workflow("train").parser
    parts = {name: parser.get_parsed_content(f"{name}#dataset#data")[:2] for name in ("train", "validate")}
    given = {f"{name}#dataset#data": cases for name, cases in parts.items()}
    out = {"models_dir": str(tmp_path / "out"), "output_dir": str(tmp_path / "out"), "epochs": 1}
    trained.run("train", dataset_dir=str(tmp_path / "gone"), **given, **out)
    assert (tmp_path / "out" / "model.pt").is_file()
    with pytest.raises(RuntimeError) as error:
        trained.run("train", dataset_dir=str(tmp_path / "gone"), **{**given, "validate#dataset#data": []}, **out)
    assert "no labelled case to validate on, of 2 in all" in str(reason(error.value))
