"""What the adrenal bundle has of its own: its splits, its volumes, its metrics."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from dvpt_monai import SliceClassifier, read_header
from dvpt_monai.errors import DvptError, reason

pytestmark = pytest.mark.filterwarnings("ignore")


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def parsed(bundle, name, *configs, **overrides):
    return bundle.workflow(*(configs or ("train",)), **overrides).parser.get_parsed_content(name)


def names(cases):
    return {case["image"].rsplit("/", 1)[-1].split("_")[0] for case in cases}


def test_metrics_are_those_of_scikit_learn(trained_adrenal):
    rows = read(trained_adrenal.root / "output" / "predictions.csv")
    assert {row["image"] for row in rows} == {f"images/test_phantom_{i:03d}.nii.gz" for i in range(1, 6)}
    truth, said = ([int(row[name]) for row in rows] for name in ("label", "prediction"))
    metrics = json.loads((trained_adrenal.root / "output" / "metrics.json").read_text())
    assert next(iter(metrics)) == "auc"
    scores = [float(row["probability_1"]) for row in rows]
    assert metrics["auc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-5)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert metrics["kappa"] == pytest.approx(cohen_kappa_score(truth, said), abs=1e-5)
    assert said == [int(score > 0.5) for score in scores]


def test_the_owners_splits_are_kept(adrenal):
    assert names(parsed(adrenal, "train_cases")) == {"train"} and len(parsed(adrenal, "train_cases")) == 8
    assert names(parsed(adrenal, "val_cases")) == {"val"} and len(parsed(adrenal, "val_cases")) == 4
    assert names(parsed(adrenal, "test_cases", "train", "evaluate")) == {"test"}


def test_or_a_fold_validates(adrenal):
    workflow = adrenal.workflow("train", val_split=None, folds=4)
    training, validation = (workflow.parser.get_parsed_content(name) for name in ("train_cases", "val_cases"))
    assert names(training) == names(validation) == {"train"} and (len(training), len(validation)) == (6, 2)


@pytest.mark.parametrize(("options", "count"), [({"shots": 2}, 4), ({"shots": None}, 8)])
def test_fewer_labels(adrenal, options, count):
    cases = parsed(adrenal, "train_cases", **options)
    assert len(cases) == count and sum(case["label"] for case in cases) == count // 2


def test_a_share_of_the_labels(adrenal):
    half, few = (parsed(adrenal, "train_cases", label_fraction=fraction) for fraction in (0.5, 0.01))
    assert 3 <= len(half) <= 6 and all(case in half for case in few)
    assert [sorted(case["label"] for case in few), {case["label"] for case in half}] == [[0, 1], {0, 1}]


def prepared(bundle, path, **overrides):
    return parsed(bundle, "preprocessing", "inference", **overrides)({"image": str(path)})["image"]


@pytest.fixture
def oblong(tmp_path):
    """A volume of 12 x 8 x 4 voxels of 2 mm, with values from -3 to 5, and a mark at its left, back, top end."""
    values = np.full((12, 8, 4), -3, np.float32)
    values[0:4, 0:4, 2:4] = 5
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "ras.nii.gz")
    flipped = np.diag([-2.0, -2.0, 2.0, 1.0])
    flipped[:3, 3] = (22, 14, 0)
    nib.save(nib.Nifti1Image(values[::-1, ::-1], flipped), tmp_path / "lps.nii.gz")
    return tmp_path


def test_without_a_spacing_the_longest_side_fills_the_cube(adrenal, oblong):
    image = prepared(adrenal, oblong / "ras.nii.gz", image_size=24)
    assert image.shape == (1, 24, 24, 24) and image.min() == 0 and image.max() == 1
    assert image[0, 1:7, 5:10, 13:15].mean() > 0.95  # 2 voxels for 1, padded by 4 along y and by 8 along z
    assert image[0, 9:].max() == 0 and image[0, :, :3].max() == 0 and image[0, :, :, :7].max() == 0


def test_with_a_spacing_the_size_in_mm_stays(adrenal, oblong):
    image = prepared(adrenal, oblong / "ras.nii.gz", image_size=24, spacing=[2.0, 2.0, 2.0])
    assert image.shape == (1, 24, 24, 24)
    assert int((image > 0.5).sum()) == 4 * 4 * 2  # voxels of 2 mm as they were
    assert int((prepared(adrenal, oblong / "ras.nii.gz", image_size=8, spacing=[2.0] * 3) > 0.5).sum()) == 2 * 4 * 2


@pytest.mark.parametrize("spacing", [None, [1.0, 1.0, 1.0]])
def test_another_orientation_is_turned(adrenal, oblong, spacing):
    first, second = (prepared(adrenal, oblong / f"{name}.nii.gz", spacing=spacing) for name in ("ras", "lps"))
    torch.testing.assert_close(first.as_tensor(), second.as_tensor(), atol=1e-5, rtol=0)


def test_an_empty_volume_stays_empty(adrenal, tmp_path):
    nib.save(nib.Nifti1Image(np.full((5, 5, 5), 7, np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    assert prepared(adrenal, tmp_path / "a.nii.gz").abs().max() == 0


def test_what_is_no_volume_is_refused_by_name(adrenal, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((5, 5, 5, 2), np.int16), np.eye(4)), tmp_path / "two.nii.gz")
    (tmp_path / "damaged.nii.gz").write_bytes(b"no volume")
    for name in ("two", "damaged", "gone"):
        with pytest.raises(Exception) as error:
            prepared(adrenal, tmp_path / f"{name}.nii.gz")
        assert f"{name}.nii.gz" in str(reason(error.value))


@pytest.mark.parametrize(("options", "said"), [({}, False), ({"val_split": None, "folds": 1}, True)])
def test_the_curves_say_where_nothing_was_held_out(adrenal, options, said):
    assert parsed(adrenal, "scored_on_training", **options) is said


def test_inference_equals_the_evaluation(trained_adrenal):
    trained_adrenal.run("inference", workflow_type="inference")
    said = {row["image"]: row["probability_1"] for row in
            read(trained_adrenal.root / "output" / "inference" / "predictions.csv")}  # fmt: skip
    assert len(said) == 17
    for row in read(trained_adrenal.root / "output" / "predictions.csv"):
        assert said[row["image"].removeprefix("images/")] == row["probability_1"]


def test_classes_that_are_rare(adrenal, tmp_path):
    adrenal.run("train", epochs=1, balanced=True, class_weight_power=0.5, models_dir=str(tmp_path),
                output_dir=str(tmp_path))  # fmt: skip
    assert (tmp_path / "model.pt").is_file()
    weights = parsed(adrenal, "loss", class_weight_power=1.0, label_fraction=0.5).weight
    labels = [case["label"] for case in parsed(adrenal, "train_cases", label_fraction=0.5)]
    inverse = [1 / labels.count(grade) for grade in (0, 1)]
    assert weights.tolist() == pytest.approx([2 * each / sum(inverse) for each in inverse])


def test_a_tap_a_patch_and_a_method_of_ones_own(adrenal, tmp_path):
    options = {"tap": 1, "patch_size": [8, 8, 16], "method": {"_target_": "dvpt_monai.LoRA"}, "epochs": 1,
               "models_dir": str(tmp_path), "output_dir": str(tmp_path)}  # fmt: skip
    adrenal.run("train", **options)
    network = parsed(adrenal, "network", **options)
    assert len(network.vit.blocks) == 1 and network.vit.grid == [2, 2, 1]


@pytest.mark.bundle
@pytest.mark.parametrize(
    ("way", "more"), [("slices", {"slice_step": 5, "slice_axes": [2]}), ("planes", {})], ids=["slices", "planes"]
)
def test_what_comes_after_a_training_reads_volumes_as_it_did(adrenal, tmp_path, caplog, way, more):
    folders = {"models_dir": str(tmp_path), "output_dir": str(tmp_path)}
    adrenal.run("train", epochs=1, volume=way, **more, **folders)
    settings = read_header(tmp_path / "adapter.safetensors")["settings"]
    assert settings["volume"] == way and settings.items() >= more.items()
    network = adrenal.run("train", "evaluate", **folders).parser.get_parsed_content("network")
    assert isinstance(network, SliceClassifier) == (way == "slices") and bool(network.vit.planes) == (way == "planes")
    rows = read(tmp_path / "predictions.csv")
    adrenal.run("inference", checkpoint=str(tmp_path / "model.pt"), output_dir=str(tmp_path / "inference"))
    said = {row["image"]: row["probability_1"] for row in read(tmp_path / "inference" / "predictions.csv")}
    assert rows and all(said[row["image"].removeprefix("images/")] == row["probability_1"] for row in rows)
    assert not [record for record in caplog.records if "was trained with" in record.message]
    with pytest.raises(RuntimeError) as raised:
        adrenal.run("train", "evaluate", volume="inflate", adapter=str(tmp_path / "adapter.safetensors"), **folders)
    assert isinstance(reason(raised.value), DvptError)


def test_a_way_that_there_is_not(adrenal):
    with pytest.raises(Exception) as raised:
        parsed(adrenal, "network_def", volume="slice")
    assert str(reason(raised.value)) == "--volume slice: did you mean slices?"
    with pytest.raises(Exception) as raised:
        parsed(adrenal, "network_def", volume="whole")
    assert str(reason(raised.value)) == "--volume whole: give inflate, slices, planes"
