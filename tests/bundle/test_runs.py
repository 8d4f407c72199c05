"""Training, evaluation and inference of the bundles, on phantoms with a tiny network."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from dvpt_monai import AdapterError, PretrainedError, ViTEncoder, read_header
from dvpt_monai.data import read_masks
from dvpt_monai.errors import CheckpointError, DataError
from dvpt_monai.networks.pretrained.convert import convert

NETWORK = {"hidden_size": 24, "mlp_dim": 48, "num_layers": 3, "num_heads": 2}  # of the tiny bundles in conftest.py


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cause(error, kind):
    """MONAI wraps what a config raises; the error of ours is among the causes."""
    seen = error.value
    while seen is not None and not isinstance(seen, kind):
        seen = seen.__cause__ or seen.__context__
    assert seen is not None, f"no {kind.__name__} behind {error.value!r}"
    return str(seen)


def test_outputs_lie_in_the_bundle_and_say_phantom(trained):
    names = {path.name for path in (trained.root / "output").iterdir()}
    assert {"curves.csv", "curves.png", "metrics.csv", "metrics.json", "predictions.png"} <= names
    seen = {path.name for path in (trained.root / "models").iterdir() if not path.name.startswith(".")}
    assert seen - {"model.previous.pt"} == {"model.pt", "adapter.safetensors", "parts.json", "resume"}
    metrics = json.loads((trained.root / "output" / "metrics.json").read_text())
    keys = ("quadratic_kappa", "mean_dice", "mean_average_precision", "auc", "mean_aupr")
    assert next(iter(metrics)) in keys
    assert metrics["data"] == "phantom" and metrics["dataset"] == trained.data.name
    assert read_header(trained.root / "models" / "adapter.safetensors")["result"]["phantom"] is True


def test_curves_hold_every_epoch(trained):
    rows = read(trained.root / "output" / "curves.csv")
    assert [int(row["epoch"]) for row in rows] == list(range(1, trained.overrides["epochs"] + 1))
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())


def test_official_test_split_is_what_is_evaluated(trained_fundus):
    table = read(trained_fundus.data / "labels.csv")
    truth = {row["image"]: row["dr_grade"] for row in table if row["split"] == "test"}
    rows = read(trained_fundus.root / "output" / "predictions.csv")
    assert {row["image"]: row["label"] for row in rows} == truth
    for row in rows:
        probabilities = [float(row[f"probability_{grade}"]) for grade in range(5)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert int(row["prediction"]) == round(float(np.dot(probabilities, range(5))))  # the bundle's `decision`
    right = np.mean([row["label"] == row["prediction"] for row in rows])
    assert json.loads((trained_fundus.root / "output" / "metrics.json").read_text())["accuracy"] == pytest.approx(right)


def test_kappa_is_the_quadratic_one(trained_fundus):
    from sklearn.metrics import cohen_kappa_score

    rows = read(trained_fundus.root / "output" / "predictions.csv")
    pairs = [[int(row[name]) for row in rows] for name in ("label", "prediction")]
    expected = cohen_kappa_score(*pairs, weights="quadratic", labels=list(range(5)))
    metrics = json.loads((trained_fundus.root / "output" / "metrics.json").read_text())
    assert metrics["quadratic_kappa"] == pytest.approx(expected, abs=1e-5)


def test_dice_of_each_structure_and_case(trained_hippocampus):
    """The tables agree to the four decimals that MONAI gives the Dice of a structure."""
    metrics = json.loads((trained_hippocampus.root / "output" / "metrics.json").read_text())
    rows = read(trained_hippocampus.root / "output" / "cases.csv")
    assert len(rows) == metrics["cases"] == 3
    for name in ("dice_anterior", "dice_posterior"):
        assert metrics[name] == pytest.approx(np.mean([float(row[name]) for row in rows]), abs=5e-5)
    assert metrics["mean_dice"] == pytest.approx((metrics["dice_anterior"] + metrics["dice_posterior"]) / 2, abs=5e-5)


def test_every_evaluation_is_summed_up(trained):
    """With intervals, where there are cases enough for one; and drawn."""
    output = trained.root / "output"
    content, [row] = json.loads((output / "metrics.json").read_text()), read(output / "metrics.csv")
    rows = {each["score"]: each for each in read(output / "scores.csv")}
    scores = content["scores"]
    assert scores["scored"] + scores.get("empty", 0) == content["cases"] and (output / "scores.png").is_file()
    assert rows.keys() == scores.keys() and not scores.keys() & (row.keys() | content.keys() - {"scores"})
    for name, value in scores.items():
        expected = float("nan") if value is None else value
        assert float(rows[name]["value"] or "nan") == pytest.approx(expected, rel=1e-5, nan_ok=True)
    known = [name for name in content["intervals"] if name in scores]
    assert known and all(rows[name]["low"] for name in known)


def test_surfaces_and_volumes_of_each_case(trained_hippocampus):
    output = trained_hippocampus.root / "output"
    scores, rows = json.loads((output / "metrics.json").read_text())["scores"], read(output / "cases.csv")
    for name in ("anterior", "posterior"):
        for measure in ("hd95_mm", "surface_dice"):
            of_cases = [float(row[f"{measure}_{name}"]) for row in rows]
            expected = scores[f"{measure}_{name}"]
            assert np.nanmean(of_cases) == pytest.approx(
                np.nan if expected is None else expected, abs=1e-3, nan_ok=True
            )
        assert all(float(row[f"truth_ml_{name}"]) > 0 for row in rows) and scores[f"scored_{name}"] == 3


def test_parts_do_not_overlap(trained):
    workflow = trained.workflow("train", "evaluate")
    parts = [workflow.parser.get_parsed_content(name) for name in ("train_cases", "val_cases", "test_cases")]
    images = [case["image"] for part in parts for case in part]
    assert len(images) == len(set(images))


def test_inference_of_a_classifier_equals_its_evaluation(trained_fundus, capsys):
    trained_fundus.run("inference")
    assert f"30 images to predict from {trained_fundus.data / 'images'} PHANTOM DATA" in capsys.readouterr().out
    rows = read(trained_fundus.root / "output" / "inference" / "predictions.csv")
    assert len(rows) == 30 and "label" not in rows[0]
    said = {row["image"]: row["probability_0"] for row in rows}
    for row in read(trained_fundus.root / "output" / "predictions.csv"):
        assert said[row["image"].removeprefix("images/")] == row["probability_0"]


def test_inference_writes_masks_in_the_grid_of_the_input(trained_hippocampus, tmp_path):
    """A volume in another orientation and spacing comes back as it went in."""
    case = sorted((trained_hippocampus.data / "imagesTr").glob("*.nii.gz"))[0]
    volume = nib.load(case)
    affine = np.diag([-1.0, 1.5, 1.0, 1.0])[:, [1, 0, 2, 3]]
    affine[:3, 3] = (7, -3, 11)
    odd = nib.Nifti1Image(np.asarray(volume.dataobj)[:30, :33], affine)
    (tmp_path / "in").mkdir()
    nib.save(odd, tmp_path / "in" / "odd.nii.gz")
    nib.save(volume, tmp_path / "in" / "plain.nii.gz")
    trained_hippocampus.run("inference", dataset_dir=str(tmp_path / "in"), output_dir=str(tmp_path / "out"))
    for name, source in (("odd", odd), ("plain", volume)):
        mask = nib.load(tmp_path / "out" / f"{name}_seg.nii.gz")
        assert mask.shape == source.shape and mask.get_data_dtype() == np.uint8
        np.testing.assert_allclose(mask.affine, source.affine, atol=1e-5)
        assert set(np.unique(mask.dataobj)) <= {0, 1, 2}


def test_aupr_and_dice_of_each_lesion(trained_lesions):
    """Of the test split, against scikit-learn and by hand, from what the evaluator's network says of whole images."""
    from sklearn.metrics import average_precision_score

    workflow = trained_lesions.workflow("train", "evaluate")
    structures = workflow.parser.get_parsed_content("structures")
    network = workflow.parser.get_parsed_content("network")
    network.load_state_dict(torch.load(trained_lesions.root / "models" / "model.pt", weights_only=True))
    network.eval()
    window = workflow.parser.get_parsed_content("validate#inferer")
    cases = [
        (case["image"][None], case["label"] > 0) for case in workflow.parser.get_parsed_content("validate#dataset")
    ]
    assert [image.meta["filename_or_obj"].split("/")[-3] for image, _ in cases] == ["test"] * 3
    with torch.no_grad():
        said = [window(image, network)[0].sigmoid().numpy() for image, _ in cases]
    metrics = json.loads((trained_lesions.root / "output" / "metrics.json").read_text())
    rows = {row["structure"]: row for row in read(trained_lesions.root / "output" / "aupr.csv")}
    cells = read(trained_lesions.root / "output" / "cases.csv")
    for place, name in enumerate(structures):
        truth = [np.asarray(label[place]) for _, label in cases]
        guess = [probability[place] for probability in said]
        exact = average_precision_score(np.ravel(truth), np.ravel(guess))
        assert metrics[f"aupr_{name}"] == pytest.approx(exact, abs=float(rows[name]["binning"]) + 1e-5)
        assert float(rows[name]["aupr"]) == pytest.approx(metrics[f"aupr_{name}"], abs=1e-5)
        assert float(rows[name]["low"]) <= float(rows[name]["high"])
        assert float(rows[name]["share"]) == pytest.approx(np.mean(truth), abs=1e-6)
        assert int(rows[name]["images"]) == sum(mask.any() for mask in truth)
        dice = [2 * ((g >= 0.5) & t).sum() / ((g >= 0.5).sum() + t.sum()) if t.any() else np.nan
                for g, t in zip(guess, truth, strict=True)]  # fmt: skip
        assert [float(cell[f"dice_{name}"]) for cell in cells] == pytest.approx(dice, abs=1e-5, nan_ok=True)
        assert metrics[f"dice_{name}"] == pytest.approx(np.nanmean(dice), abs=1e-4)  # MONAI rounds so
    assert metrics["mean_aupr"] == pytest.approx(np.mean([metrics[f"aupr_{name}"] for name in structures]), abs=1e-5)
    assert float(rows["mean"]["low"]) <= float(rows["mean"]["aupr"]) <= float(rows["mean"]["high"])


def test_inference_writes_a_mask_for_each_lesion_in_the_size_of_the_photograph(trained_lesions, tmp_path, capsys):
    """Photographs of every kind; the masks read like those to train on."""
    photo = Image.open(sorted((trained_lesions.data / "test" / "images").iterdir())[0])
    (tmp_path / "images").mkdir()
    large = photo.resize((150, 110))
    for name, mode in (("rgba.png", "RGBA"), ("palette.png", "P"), ("gray.png", "L"), ("plain.png", "RGB")):
        large.convert(mode).save(tmp_path / "images" / name)
    photo.crop((4, 0, 24, 50)).save(tmp_path / "images" / "narrow.tif")  # smaller than a window along one side
    trained_lesions.run("inference", dataset_dir=str(tmp_path / "images"), output_dir=str(tmp_path / "masks"))
    assert "5 images to predict" in capsys.readouterr().out
    cases = read_masks(tmp_path, ["MA", "HE", "EX", "SE", "OD"])
    assert [len(case["label"]) for case in cases] == [5] * 5
    for case in cases:
        size = Image.open(case["image"]).size
        for path in case["label"].values():
            mask = Image.open(path)
            assert mask.size == size and mask.mode == "L" and set(np.unique(mask)) <= {0, 255}
    for lesion in ("MA", "OD"):
        masks = [np.asarray(Image.open(tmp_path / "masks" / f"{name}_{lesion}.png")) for name in ("rgba", "plain")]
        np.testing.assert_array_equal(*masks)
    assert (tmp_path / "masks" / "predictions.png").is_file()


def test_a_label_map_is_what_monai_label_gets(trained_lesions, tmp_path):
    """Without the writer, which it leaves out: one map, the first lesion where two are, columns first as it writes."""
    from monai.transforms import Compose, SaveImaged

    path = sorted((trained_lesions.data / "test" / "images").iterdir())[1]
    Image.open(path).resize((90, 60)).save(tmp_path / "oblong.png")
    workflow = trained_lesions.workflow("inference", workflow_type="inference", output_dir=str(tmp_path / "out"))
    case = workflow.preprocessing({"image": str(tmp_path / "oblong.png")})
    logits = torch.full((5, *case["image"].shape[1:]), -9.0)
    logits[1, :, :30], logits[4, :20] = 9, 9
    steps = workflow.parser.get_parsed_content("post_transforms")
    kept = [step for step in steps if not isinstance(step, SaveImaged)]
    result = Compose(kept)({**case, "pred": MetaTensor(logits, meta=case["image"].meta)})
    assert len(kept) == len(steps) - 1 and not (tmp_path / "out").exists()
    assert result["pred"].shape == (90, 60) and result["pred"].dtype == torch.uint8
    assert set(result["pred"].unique().tolist()) == {0, 2, 5}
    assert result["pred"][0, 0] == 2 and result["pred"][-1, 0] == 5 and result["pred"][-1, -1] == 0
    assert "image" not in result  # MONAI Label would fit the map to its rows


def test_other_structures_and_gray_images(lesions, tmp_path):
    """Two structures, no resizing, one channel; label maps beside masks, as MONAI Label stores them."""
    eyes = tmp_path / "eyes"
    for number in range(3):
        for name in ("images", "masks"):
            (eyes / "train" / name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (48, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(eyes / "train" / "images" / f"{number}.png")
        Image.fromarray(np.uint8(pixels > 200)).save(eyes / "train" / "masks" / f"{number}_cyst.png")
    Image.fromarray(np.uint8(pixels % 3)).save(eyes / "map.png")
    settings = {"structures": ["cyst", "drusen"], "longest_side": None, "in_channels": 1, "models_dir": str(eyes),
                "output_dir": str(eyes), "dataset_dir": str(eyes), "folds": 1}  # fmt: skip
    mapped = "$data.read_masks(@datalist, @structures)[:2] + [{**@cases[2], 'label': '%s'}]"
    lesions.run("train", **settings, train_cases=mapped % (eyes / "map.png"))
    header = read_header(eyes / "adapter.safetensors")["settings"]
    assert (header["structures"], header["image_mean"], header["image_std"]) == (["cyst", "drusen"], [0.0], [1.0])


def test_inference_takes_an_adapter_and_its_backbone(trained, tmp_path):
    """The same predictions from adapter and backbone as from the checkpoint, without opening the checkpoint."""
    whole = trained.workflow("inference").network_def
    state = torch.load(trained.root / "models" / "model.pt", weights_only=True)
    whole.load_state_dict(state)
    backbone = {key: value for key, value in state.items() if key.startswith("vit.") and ".tuner." not in key}
    # A whole backbone has the blocks, too, that the network leaves out behind its tap.
    behind = {key.replace(".1.", ".2."): value for key, value in backbone.items() if key.startswith("vit.blocks.1.")}
    torch.save(behind | backbone, tmp_path / "vit.pt")
    workflow = trained.workflow(
        "inference",
        adapter=str(trained.root / "models" / "adapter.safetensors"),
        backbone_weights=str(tmp_path / "vit.pt"),
        checkpoint=str(tmp_path / "none.pt"),
        output_dir=str(tmp_path / "out"),
        method={"_target_": "dvpt_monai.LinearProbe"},  # the adapter's own method wins
        **{"cases": "$bundle.find_images(@dataset_dir, @suffixes)[:1]"},
    )
    workflow.run()
    found = workflow.parser.get_parsed_content("network").state_dict()
    assert found.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-6)


def test_images_are_normalised_as_the_backbone_was_trained_and_so_they_stay(fundus, tmp_path):
    """The file tells the training; its adapter tells the evaluation and inference, which do not open the file."""
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    sizes = {"img_size": 56, "patch_size": 14, "num_registers": 4, **NETWORK}
    backbone = tmp_path / "vit.safetensors"
    state = ViTEncoder(in_channels=3, **sizes).state_dict()
    convert(state, backbone, "safetensors", normalization=(mean, std), num_heads=sizes["num_heads"])
    out = str(tmp_path / "out")
    fundus.run("train", backbone_weights=str(backbone), epochs=1, models_dir=out, output_dir=out)
    header = read_header(tmp_path / "out" / "adapter.safetensors")
    assert (header["settings"]["image_mean"], header["settings"]["image_std"]) == (mean, std)
    assert header["backbone"]["receipt"]["normalization"] == [mean, std]

    backbone.unlink()
    path = str(sorted((fundus.data / "images").iterdir())[0])
    for workflow, steps in (
        (fundus.workflow("train", "evaluate", models_dir=out), "validate#preprocessing"),
        (fundus.workflow("inference", checkpoint=f"{out}/model.pt"), "preprocessing"),
        (fundus.workflow("inference", adapter=f"{out}/adapter.safetensors", checkpoint=""), "preprocessing"),
    ):
        image = workflow.parser.get_parsed_content(steps)({"image": path, "label": 0})["image"]
        raw = image * torch.tensor(std).view(3, 1, 1) + torch.tensor(mean).view(3, 1, 1)
        assert float(raw.min()) == pytest.approx(0, abs=1e-6) and 0.5 < float(raw.max()) <= 1 + 1e-6
    plain = fundus.workflow("inference", checkpoint=str(tmp_path / "none.pt")).parser
    assert plain.get_parsed_content("image_mean") == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    "method", ["LinearProbe", *(pytest.param(name, marks=pytest.mark.bundle) for name in ("BitFit", "FullFineTuning"))]
)
def test_another_method_is_one_override(fundus, tmp_path, method):
    override = {"method": {"_target_": f"dvpt_monai.{method}"}, "epochs": 1, "label_fraction": 0.5,
                "models_dir": str(tmp_path), "output_dir": str(tmp_path)}  # fmt: skip
    fundus.run("train", **override)
    assert read_header(tmp_path / "adapter.safetensors")["method"]["method"] == method
    fundus.run("train", "evaluate", **override)


@pytest.mark.parametrize(("epochs", "batch_size"), [(1, 16), (1, 4), (5, 4), (7, 16), (12, 16)])
def test_learning_rate_of_any_number_of_steps(fundus, epochs, batch_size):
    """It rises, falls to almost nothing, and short runs learn too."""
    parser = fundus.workflow("train", epochs=epochs, batch_size=batch_size).parser
    scheduler, steps = parser.get_parsed_content("lr_scheduler"), epochs * (16 // batch_size)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    peak = parser.get_parsed_content("learning_rate")
    assert rates[0] > 0.03 * peak
    if steps > 10:
        assert max(rates) > 0.95 * peak and rates[-1] < 0.001 * peak and 0.1 < np.argmax(rates) / steps < 0.3


@pytest.mark.parametrize(("epochs", "interval", "expected"), [(4, 5, 4), (30, 5, 5), (12, 5, 4), (7, 5, 1), (3, 1, 1)])
def test_the_last_epoch_is_validated(fundus, epochs, interval, expected):
    parser = fundus.workflow("train", epochs=epochs, val_interval=interval).parser
    handlers = parser["train#handlers"]
    place = next(i for i, handler in enumerate(handlers) if handler["_target_"] == "ValidationHandler")
    assert parser.get_parsed_content(f"train#handlers#{place}#interval") == expected


def test_options_for_few_cases_of_a_grade(fundus, tmp_path):
    fundus.run(
        "train", epochs=1, balanced=True, class_weight_power=0.5, decision="expected", precision="bfloat16",
        loss={"_target_": "dvpt_monai.losses.OrdinalLoss", "num_classes": "@num_classes", "weight": "@class_weights"},
        models_dir=str(tmp_path), output_dir=str(tmp_path),
    )  # fmt: skip
    assert read_header(tmp_path / "adapter.safetensors")["settings"]["decision"] == "expected"


@pytest.mark.bundle
def test_the_same_seed_gives_the_same_network(fundus, tmp_path):
    states = []
    for run, seed in enumerate((3, 3, 4)):
        out = str(tmp_path / str(run))
        fundus.run("train", epochs=1, seed=seed, models_dir=out, output_dir=out)
        states.append(torch.load(tmp_path / str(run) / "model.pt", weights_only=True))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_colour_palette_and_gray_images_are_taken(trained_fundus, tmp_path):
    image = Image.open(sorted((trained_fundus.data / "images").iterdir())[0])
    for name, mode in (("rgba.png", "RGBA"), ("palette.png", "P"), ("gray.png", "L"), ("plain.png", "RGB")):
        image.convert(mode).save(tmp_path / name)
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    image.crop((0, 0, 64, 40)).save(tmp_path / "oblong.png")
    trained_fundus.run("inference", dataset_dir=str(tmp_path), output_dir=str(tmp_path / "out"))
    rows = {row["image"]: float(row["probability_0"]) for row in read(tmp_path / "out" / "predictions.csv")}
    assert rows["rgba.png"] == rows["plain.png"] and len(rows) == 6
    assert rows["deep.png"] == pytest.approx(rows["gray.png"], abs=1e-5)


def test_missing_checkpoint_names_the_file_and_the_remedy(trained, tmp_path):
    with pytest.raises(Exception) as error:
        trained.run("inference", checkpoint=str(tmp_path / "gone.pt"), output_dir=str(tmp_path / "out"))
    message = cause(error, CheckpointError)
    assert "gone.pt" in message and "--adapter" in message
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_checkpoint_of_another_network_names_its_settings(trained_fundus):
    with pytest.raises(Exception) as error:
        trained_fundus.run("inference", num_classes=3)
    message = cause(error, CheckpointError)
    assert "head.weight" in message and '"num_classes": 5' in message


def test_damaged_checkpoint(trained_fundus, tmp_path):
    part = tmp_path / "model.pt"
    part.write_bytes((trained_fundus.root / "models" / "model.pt").read_bytes()[:1000])
    with pytest.raises(Exception) as error:
        trained_fundus.run("inference", checkpoint=str(part))
    assert str(part) in cause(error, CheckpointError)


def test_adapter_without_backbone_or_of_another(trained_fundus, tmp_path):
    adapter = str(trained_fundus.root / "models" / "adapter.safetensors")
    with pytest.raises(Exception) as error:
        trained_fundus.run("inference", adapter=adapter, backbone_weights="")
    cause(error, PretrainedError)
    torch.manual_seed(1)  # other random weights than those of the training
    with pytest.raises(Exception) as error:
        trained_fundus.run("inference", adapter=adapter, backbone_weights="random")
    assert "another backbone" in cause(error, AdapterError)


@pytest.mark.parametrize(
    ("override", "kind", "words"),
    [
        ({"datalist": "none.csv"}, DataError, "none.csv"),
        ({"num_classes": 3}, DataError, "num_classes"),
        ({"train_split": "trian"}, DataError, "trian"),
        ({"image_size": 50}, ValueError, "patch_size"),
        ({"method": {"_target_": "dvpt_monai.DVPT", "prompts": 3}}, TypeError, "prompts"),
        ({"train_patterns": ["haed.*"]}, ValueError, "haed"),
        ({"backbone_weights": ""}, PretrainedError, "backbone_weights"),
        ({"backbone_weights": "nobody"}, PretrainedError, "nobody"),
        ({"precision": "float16"}, ValueError, "float16"),
        ({"decision": "median"}, ValueError, "median"),
        ({"fold": 7}, DataError, "fold"),
    ],
)
def test_bad_input_is_a_typed_error_that_names_it(fundus, tmp_path, override, kind, words):
    out = tmp_path / "out"
    with pytest.raises(Exception) as error:
        fundus.run("train", models_dir=str(out), output_dir=str(out), **override)
    assert words in cause(error, kind)
    assert not out.exists() or {path.name for path in out.iterdir()} <= {".lock", ".training"}


def test_empty_folder_and_missing_image(trained_fundus, tmp_path):
    for name in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(Exception) as error:
            trained_fundus.run("inference", dataset_dir=str(name))
        assert str(name) in cause(error, DataError)
