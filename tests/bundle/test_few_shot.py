"""The few-shot bundle: which lists train, what is written of several labels, the other sets, and that it learns."""

import csv
import json
import logging

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.metrics import average_precision_score, roc_auc_score

from dvpt_monai import read_header
from dvpt_monai.data import MEDFMC_LABELS, medfmc_shots, read_medfmc
from dvpt_monai.errors import DataError
from dvpt_monai.phantoms import write_medfmc

LABELS = MEDFMC_LABELS["chest"]


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def table(path, labels):
    """Truth and probabilities of a table of predictions, (cases, labels)."""
    rows = read(path)
    assert list(rows[0]) == [
        "image",
        *(f"label_{name}" for name in labels),
        *(f"probability_{name}" for name in labels),
    ]
    return [
        np.array([[float(row[f"{kind}_{name}"]) for name in labels] for row in rows])
        for kind in ("label", "probability")
    ]


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_scores_are_those_of_the_table(trained_chest):
    out = trained_chest.root / "output"
    truth, said = table(out / "predictions.csv", LABELS)
    metrics = metrics_of(out)
    for place, name in enumerate(LABELS):
        expected = average_precision_score(truth[:, place], said[:, place]) if truth[:, place].any() else None
        assert metrics[f"average_precision_{name}"] == (expected and pytest.approx(expected, abs=1e-4))
    seen = truth.any(axis=0)
    assert metrics["mean_average_precision"] == pytest.approx(
        average_precision_score(truth[:, seen], said[:, seen]), abs=1e-4
    )
    assert metrics["mean_auc"] == pytest.approx(roc_auc_score(truth[:, seen], said[:, seen]), abs=1e-4)
    assert metrics["accuracy"] == pytest.approx(((said > 0.5) == truth).mean(), abs=1e-5)
    assert metrics["labels_left_out"] == ", ".join(name for name, known in zip(LABELS, seen, strict=True) if not known)
    assert (metrics["subset"], metrics["datalist"]) == ("chest", "test_WithLabel")


def test_the_test_list_is_what_is_evaluated(trained_chest):
    rows = read(trained_chest.root / "output" / "predictions.csv")
    test = read_medfmc(trained_chest.data, "test_WithLabel")
    assert [row["image"] for row in rows] == [case["image"].rsplit("/", 1)[1] for case in test]
    truth, _ = table(trained_chest.root / "output" / "predictions.csv", LABELS)
    assert truth.tolist() == [case["label"] for case in test]


def test_inference_gives_the_same_probabilities(trained_chest, tmp_path):
    trained_chest.run("inference", output_dir=str(tmp_path))
    said = {row["image"]: row for row in read(tmp_path / "predictions.csv")}
    assert not any(name.startswith("label_") for row in said.values() for name in row)
    for row in read(trained_chest.root / "output" / "predictions.csv"):
        assert all(said[row["image"]][f"probability_{name}"] == row[f"probability_{name}"] for name in LABELS)


def test_labels_without_a_positive_image_are_named(trained_chest, tmp_path, caplog):
    folder = trained_chest.data / "chest"
    lines = (folder / "test_WithLabel.txt").read_text().splitlines()
    absent = LABELS.index("TB")
    kept = [line for line in lines if line.split(" ")[1].split(",")[absent] == "0"]
    part = tmp_path / "chest"
    part.mkdir()
    (part / "few.txt").write_text("\n".join(kept))
    (part / "trainval.txt").write_text((folder / "trainval.txt").read_text())
    given = {"lists_dir": str(tmp_path), "datalist": "few", "shots": None}
    with caplog.at_level(logging.INFO):
        trained_chest.run("train", "evaluate", output_dir=str(tmp_path / "out"), **given)
    metrics = metrics_of(tmp_path / "out")
    assert metrics["average_precision_TB"] is None and "TB" in metrics["labels_left_out"].split(", ")
    known = [
        metrics[f"average_precision_{name}"] for name in LABELS if name not in metrics["labels_left_out"].split(", ")
    ]
    assert metrics["mean_average_precision"] == pytest.approx(np.mean(known), abs=1e-5)
    assert "left out of the mean: " in caplog.text and "TB" in caplog.text


def test_a_training_says_which_lists_it_takes(chest, tmp_path, caplog):
    out = str(tmp_path)
    caplog.set_level(logging.INFO)
    chest.run("train", epochs=1, shots=5, experiment=2, positive_weight_power=0.5, models_dir=out, output_dir=out)
    assert "official lists chest_5-shot_train_exp2.txt and chest_5-shot_val_exp2.txt" in caplog.text
    settings = read_header(tmp_path / "adapter.safetensors")["settings"]
    assert (settings["shots"], settings["experiment"], settings["labels"]) == (5, 2, list(LABELS))
    parser = chest.workflow("train", shots=5, experiment=2).parser
    few = medfmc_shots(chest.data, 5, 2)
    assert parser.get_parsed_content("train_cases") == few.train
    assert parser.get_parsed_content("val_cases") == few.validation


@pytest.mark.parametrize("subset", ["endo", "colon"])
@pytest.mark.bundle
def test_the_other_sets_are_one_option(chest, tmp_path, subset):
    data = write_medfmc(tmp_path / "MedFMC", subset, num_train=48, num_test=12, size=64)
    out = {"models_dir": str(tmp_path / "out"), "output_dir": str(tmp_path / "out")}
    given = {"dataset_dir": str(data), "subset": subset, **out}
    chest.run("train", epochs=1, **given)
    chest.run("train", "evaluate", **given)
    truth, said = table(tmp_path / "out" / "predictions.csv", MEDFMC_LABELS[subset])
    metrics = metrics_of(tmp_path / "out")
    assert truth.shape == said.shape == (12, len(MEDFMC_LABELS[subset]))
    assert metrics["accuracy"] == pytest.approx(((said > 0.5) == truth).mean(), abs=1e-5)
    assert metrics[f"average_precision_{MEDFMC_LABELS[subset][-1]}"] == pytest.approx(
        average_precision_score(truth[:, -1], said[:, -1]), abs=1e-4
    )
    assert imread(tmp_path / "out" / "predictions.png").std() > 0.05


def test_epts_own_optimizer(chest):
    optimizer = {"_target_": "torch.optim.SGD", "params": "@parameters", "momentum": 0.9}
    rates = {"learning_rate": 0.0006, "head_learning_rate": 0.0006}
    parser = chest.workflow("train", optimizer=optimizer, **rates).parser
    parser.get_parsed_content("lr_scheduler")
    assert {group["max_lr"] for group in parser.get_parsed_content("optimizer").param_groups} == {0.0006}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"subset": "eyes"}, "eyes"),
        ({"labels": ["a", "b"]}, "19 labels, but 2 names"),
        ({"experiment": 6}, "chest_1-shot_train_exp6"),
        ({"shots": 0}, "shots=0"),
        ({"lists_dir": "/none"}, "/none/chest/trainval.txt"),
        ({"label_fraction": 2.0}, "label_fraction=2.0"),
    ],
)
def test_bad_input_is_a_typed_error_that_names_it(chest, tmp_path, override, words):
    with pytest.raises(Exception) as error:
        chest.run("train", models_dir=str(tmp_path), output_dir=str(tmp_path), **override)
    seen = error.value
    while seen is not None and not isinstance(seen, DataError):
        seen = seen.__cause__ or seen.__context__
    assert words in str(seen)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock", ".training"}


@pytest.mark.bundle
def test_ten_shots_of_phantoms_are_learnt(chest, backbone_file, tmp_path):
    """EPT on the real backbone: the mAP on phantoms that neither train nor validate is far above what chance gives."""
    data = write_medfmc(tmp_path / "MedFMC", num_train=120, num_test=60, size=84)
    out = {"models_dir": str(tmp_path / "out"), "output_dir": str(tmp_path / "out")}
    given = {
        "dataset_dir": str(data), "backbone_weights": str(backbone_file), **out, "shots": 10, "image_size": 84,
        "tap": 6, "backbone#hidden_size": 384, "backbone#mlp_dim": 1536, "backbone#num_layers": 12,
        "backbone#num_heads": 6,
    }  # fmt: skip
    chest.run("train", epochs=8, val_interval=8, **given)
    chest.run("train", "evaluate", **given)
    truth, said = table(tmp_path / "out" / "predictions.csv", LABELS)
    rng = np.random.default_rng(0)
    chance = np.mean([average_precision_score(truth, said[rng.permutation(len(said))]) for _ in range(20)])
    assert truth.mean() < chance < 0.3  # negative control: the same probabilities, of other images
    assert metrics_of(tmp_path / "out")["mean_average_precision"] > chance + 0.15
