"""Tables, curves and figures of a run: what stands in them, and that they are never half-written."""

import csv
import json
import re
import sys

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from matplotlib.figure import Figure
from matplotlib.image import imread
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import MeanDice, ValidationHandler, from_engine
from torch import nn

from dvpt_monai.errors import BundleError
from dvpt_monai.handlers import (
    CasesTable,
    ClassificationFigure,
    Curves,
    GradientClip,
    MetricsLog,
    MetricsTable,
    PredictionsTable,
    ProgressBar,
    SegmentationFigure,
)
from dvpt_monai.whole_file import whole_file


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def image(name, shape):
    return MetaTensor(torch.rand(shape), meta={"filename_or_obj": f"/data/eyes/{name}.nii.gz"})


class Probabilities(nn.Module):
    def forward(self, x):
        return torch.stack((x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))), dim=1)


def classify(handlers, cases=7, labels=True):
    """Run MONAI's evaluator over small images."""
    data = [{"image": image(f"case{i}", (3, 8, 8)), **({"label": i % 2} if labels else {})} for i in range(cases)]

    def decide(case):
        return {**case, "probability": case["pred"], "pred": case["pred"].argmax(0, keepdim=True)}

    key = {"score": Average(output_transform=lambda output: float(len(output)))}
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data), batch_size=3), network=Probabilities(),
        postprocessing=decide, key_val_metric=key, val_handlers=handlers,
    )  # fmt: skip
    evaluator.run()
    return evaluator


def test_predictions_have_a_row_for_each_image(tmp_path):
    handler = PredictionsTable(tmp_path / "out" / "p.csv", root="/data")
    classify([handler])
    rows = read(tmp_path / "out" / "p.csv")
    assert [row["image"] for row in rows] == [f"eyes/case{i}.nii.gz" for i in range(7)]
    assert [row["label"] for row in rows] == [str(i % 2) for i in range(7)]
    for row in rows:
        assert row["prediction"] == str(int(float(row["probability_1"]) > float(row["probability_0"])))


def test_predictions_by_the_names_of_the_classes(tmp_path):
    """The same rows as without names, under the names and with one more column."""
    classify([PredictionsTable(tmp_path / "n.csv"), PredictionsTable(tmp_path / "p.csv", classes=["well", "ill"])])
    rows = read(tmp_path / "p.csv")
    assert list(rows[0]) == ["image", "label", "prediction", "predicted_class", "probability_well", "probability_ill"]
    for row, plain in zip(rows, read(tmp_path / "n.csv"), strict=True):
        assert row["predicted_class"] == ["well", "ill"][int(row["prediction"])]
        assert [row["probability_well"], row["probability_ill"]] == [plain["probability_0"], plain["probability_1"]]
        assert row["prediction"] == plain["prediction"] and "predicted_class" not in plain


@pytest.mark.parametrize("classes", [["one"], ["one", "two", "three"]])
def test_other_names_than_classes_are_an_error(tmp_path, classes):
    with pytest.raises(ValueError, match="zip"):
        classify([PredictionsTable(tmp_path / "p.csv", classes=classes)])
    assert not (tmp_path / "p.csv").exists()


def test_labels_and_classes_are_one_too_many(tmp_path):
    with pytest.raises(ValueError, match="give one of them"):
        PredictionsTable(tmp_path / "p.csv", labels=["a"], classes=["a"])


def test_predictions_without_truth_and_outside_the_root(tmp_path):
    classify([PredictionsTable(tmp_path / "p.csv", root=tmp_path)], labels=False)
    rows = read(tmp_path / "p.csv")
    assert "label" not in rows[0] and rows[0]["image"] == "/data/eyes/case0.nii.gz"


def test_a_second_run_starts_afresh(tmp_path):
    handlers = [PredictionsTable(tmp_path / "p.csv"), MetricsTable(tmp_path, "/data/eyes")]
    classify(handlers).run()
    assert len(read(tmp_path / "p.csv")) == 7
    assert json.loads((tmp_path / "metrics.json").read_text())["cases"] == 7


def test_metrics_begin_with_the_key_and_tell_the_data(tmp_path):
    table = MetricsTable(tmp_path, dataset_dir=tmp_path / "eyes", phantom=True, facts={"seed": 3})
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.key_metric_name = "kappa"
    evaluator.state.metrics = {"accuracy": torch.tensor(0.25), "kappa": float("nan"), "each": torch.rand(3)}
    table.attach(evaluator)
    evaluator.run([[{}, {}]])
    row = json.loads((tmp_path / "metrics.json").read_text())
    assert row == {"kappa": None, "accuracy": 0.25, "cases": 2, "dataset": "eyes", "data": "phantom", "seed": 3,
                   "intervals": {}}  # fmt: skip
    assert next(iter(row)) == "kappa"
    assert (tmp_path / "metrics.csv").read_text() == "kappa,accuracy,cases,dataset,data,seed\n,0.25,2,eyes,phantom,3\n"


class Threshold(nn.Module):
    def forward(self, x):
        return torch.cat((x < 0.5, x >= 0.5), dim=1).float()


def segment(handlers, shape, cases=3):
    data = []
    for i in range(cases):
        x = image(f"case{i}", (1, *shape))
        data.append({"image": x, "label": (x > 0.3).float()})
    dice = MeanDice(include_background=False, num_classes=2, output_transform=from_engine(["pred", "label"]))
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data)), network=Threshold(),
        postprocessing=lambda case: {**case, "seen": case["pred"],
                                     "label": torch.cat((1 - case["label"], case["label"]))},
        key_val_metric={"dice": dice}, val_handlers=handlers,
    )  # fmt: skip
    evaluator.run()
    return evaluator


def test_cases_have_their_dice(tmp_path):
    evaluator = segment([CasesTable(tmp_path / "c.csv", "dice", ["dice_vessel"])], (6, 5, 4))
    rows = read(tmp_path / "c.csv")
    assert [row["case"] for row in rows] == ["case0", "case1", "case2"]
    assert np.mean([float(row["dice_vessel"]) for row in rows]) == pytest.approx(
        evaluator.state.metrics["dice"], abs=1e-5
    )


def test_cases_of_an_unknown_metric(tmp_path):
    with pytest.raises(BundleError, match="hausdorff"):
        segment([CasesTable(tmp_path / "c.csv", "hausdorff", [])], (6, 5))


@pytest.mark.parametrize("shape", [(12, 9), (12, 9, 7)])
def test_segmentations_are_drawn(tmp_path, shape):
    handler = SegmentationFigure(tmp_path / "p.png", cases=2, structures=["vessel"], note="PHANTOM DATA")
    segment([handler], shape)
    assert imread(tmp_path / "p.png").std() > 0.05
    assert [kept[0] for kept in handler._kept] == ["case0", "case2"]


def test_the_slice_with_most_of_the_structure_is_drawn():
    x, mask = torch.rand(1, 5, 6, 7), torch.zeros(1, 5, 6, 7)
    mask[0, 1, 2, 2], mask[0, 3, 2:4, 2:5] = 1, 1
    handler = SegmentationFigure("p.png", axis=0)
    _, picture, truth, said, spacing = handler.keep({"image": x}, {"pred": torch.cat((1 - mask, mask)), "label": mask})
    assert np.array_equal(picture, x[0, 3]) and np.array_equal(truth, mask[0, 3]) and np.array_equal(said, truth)
    assert spacing == [1.0, 1.0]


def test_a_photograph_is_drawn_upright():
    """The figure draws the first axis to the right and the second upwards; rows of a photograph run downwards."""
    x, mask = torch.rand(1, 4, 6), torch.zeros(1, 4, 6)
    mask[0, 0, 5] = 1  # the corner at the top right
    handler = SegmentationFigure("p.png")
    _, picture, truth, said, _ = handler.keep({"image": x}, {"pred": torch.cat((1 - mask, mask)), "label": mask})
    assert picture.shape == (6, 4) and np.array_equal(picture[:, -1], x[0, 0])
    assert truth[5, 3] == said[5, 3] == 1 and truth.sum() == said.sum() == 1


def test_a_photograph_is_drawn_in_its_colours(tmp_path):
    """Gray stays gray, whatever the channels were normalised with."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    gray = torch.full((3, 20, 30), 0.6)
    gray[:, 5:9, 5:9] = 0.2
    normal = (gray - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    handler = SegmentationFigure(tmp_path / "p.png", mean=mean, std=std)
    kept = handler.keep({"image": normal}, {"pred": torch.rand(2, 20, 30), "label": torch.zeros(1, 20, 30)})
    assert kept[1].shape == (30, 20, 3) and np.allclose(np.unique(kept[1].round(6)), [0.2, 0.6])
    panels = Figure().subplots(1, 3)
    handler.draw(list(panels), kept)
    shown = np.asarray(panels[0].images[0].get_array())
    assert np.allclose(np.unique(shown.round(6)), [0.2, 0.6])


def test_predictions_without_truth_have_two_panels(tmp_path):
    """And may lie under another key than the mask that is saved, as channels."""
    handler = SegmentationFigure(tmp_path / "p.png", cases=2, truth=False, pred="seen")
    segment([handler], (12, 9))
    assert [len(handler._kept), handler.panels] == [2, 2]
    without = imread(tmp_path / "p.png").shape[1]
    segment([SegmentationFigure(tmp_path / "q.png", cases=2)], (12, 9))
    assert without * 3 == pytest.approx(imread(tmp_path / "q.png").shape[1] * 2, abs=6)
    scores = torch.zeros(3, 4, 6)
    scores[2, 1, 2] = 1
    kept = handler.keep({"image": torch.rand(1, 4, 6)}, {"pred": torch.zeros(1, 9, 9), "seen": scores})
    assert np.argwhere(kept[3]).tolist() == [[2, 2]] and kept[3].max() == 2 and kept[2] is None


@pytest.mark.parametrize(("cases", "chosen"), [(7, ["case1", "case3", "case5"]), (2, ["case0", "case1"])])
def test_drawn_cases_are_spread_over_the_data(tmp_path, cases, chosen):
    handler = ClassificationFigure(tmp_path / "p.png", cases=3, mean=(0.5,) * 3, std=(0.2,) * 3)
    classify([handler], cases=cases)
    assert [kept[0] for kept in handler._kept] == chosen
    assert imread(tmp_path / "p.png").std() > 0.05


@pytest.mark.parametrize(
    ("names", "title"),
    [(None, "true 0, predicted 1 (0.80)"), (["mole", "melanoma"], "true mole, predicted melanoma (0.80)")],
)
def test_classes_are_named_where_they_have_names(names, title):
    from matplotlib.figure import Figure

    handler = ClassificationFigure("p.png", names=names)
    said = {"pred": torch.tensor([1]), "probability": torch.tensor([0.2, 0.8])}
    axes = Figure().subplots()
    handler.draw([axes], handler.keep({"image": torch.rand(3, 4, 4), "label": 0}, said))
    assert axes.get_title().splitlines()[1] == title


def test_pictures_have_their_colours_back(tmp_path):
    handler = ClassificationFigure(tmp_path / "p.png", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
    colours = torch.rand(3, 4, 4)
    normal = (colours - torch.tensor([0.4, 0.5, 0.6])[:, None, None]) / torch.tensor([0.2, 0.3, 0.1])[:, None, None]
    kept = handler.keep({"image": normal}, {"pred": torch.tensor([1]), "probability": torch.tensor([0.2, 0.8])})
    np.testing.assert_allclose(kept[1], colours.permute(1, 2, 0), atol=1e-6)
    assert kept[2] is None and kept[3:] == (1, pytest.approx(0.8))


def test_volumes_are_seen_from_three_sides_with_up_above():
    """A voxel at the right, the back and the top, and a fainter one beside it, against their places by hand."""
    volume = torch.zeros(1, 4, 5, 6)  # right, anterior, superior
    volume[0, 3, 0, 5], volume[0, 1, 0, 5] = 1.0, 0.5
    handler = ClassificationFigure("p.png")
    picture = handler.keep({"image": volume}, {"pred": torch.tensor([0]), "probability": torch.tensor([1.0])})[1]
    expected = np.zeros((6 + 5, 4 + 5))
    expected[0, 3], expected[0, 1] = 1, 0.5  # from the front: the top row, right and left of it
    expected[0, 4 + 0] = 1  # from the side: the back is at the left
    expected[6 + 4, 3], expected[6 + 4, 1] = 1, 0.5  # from above: the back is below
    np.testing.assert_allclose(picture, expected, atol=1e-6)


@pytest.mark.parametrize("content", ["empty", "noise"])
def test_volumes_of_any_size_are_drawn(tmp_path, content):
    make = torch.zeros if content == "empty" else torch.rand
    handler = ClassificationFigure(tmp_path / "p.png", cases=2)
    for number in range(2):
        case = {"image": MetaTensor(make(1, 7, 5, 6)), "label": number}
        handler._kept.append(handler.keep(case, {"pred": torch.tensor([1]), "probability": torch.tensor([0.2, 0.8])}))
    handler(Engine(lambda engine, batch: None))
    assert imread(tmp_path / "p.png").std() > 0.05


def train(tmp_path, epochs=4, interval=2, **options):
    data = [{"image": torch.rand(1, 4), "label": torch.rand(1, 1)} for _ in range(4)]
    network = nn.Linear(4, 1)
    evaluator = SupervisedEvaluator(
        device="cpu", val_data_loader=DataLoader(Dataset(data)), network=network,
        key_val_metric={"score": Average(output_transform=lambda output: 0.5)},
        additional_metrics={"alpha": Average(output_transform=lambda output: 0.25)},
    )  # fmt: skip
    curves = Curves(tmp_path, evaluator, **options)
    trainer = SupervisedTrainer(
        device="cpu", max_epochs=epochs, train_data_loader=DataLoader(Dataset(data), batch_size=2), network=network,
        optimizer=torch.optim.SGD(network.parameters(), 0.1), loss_function=nn.MSELoss(),
        train_handlers=[ProgressBar(disable=True), ValidationHandler(interval, evaluator), curves],
    )  # fmt: skip
    return trainer


def test_curves_have_gaps_where_nothing_was_validated(tmp_path):
    train(tmp_path, note="PHANTOM DATA").run()
    rows = read(tmp_path / "curves.csv")
    assert list(rows[1]) == ["epoch", "loss", "score", "alpha"]
    assert [row["score"] for row in rows] == ["", "0.5", "", "0.5"]
    assert all(float(row["loss"]) >= 0 for row in rows)
    assert imread(tmp_path / "curves.png").std() > 0.05


def test_the_figure_is_drawn_as_often_as_asked_for_and_at_the_end(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("dvpt_monai.handlers.curves.draw_curves", lambda path, rows, note: drawn.append(len(rows)))
    train(tmp_path).run()
    assert drawn == [4] and len(read(tmp_path / "curves.csv")) == 4
    train(tmp_path, seconds=0.0).run()
    assert drawn[1:] == [1, 2, 3, 4, 4]


def test_curves_survive_a_crash(tmp_path):
    trainer = train(tmp_path, interval=1, seconds=0.0)

    def crash(engine):
        if engine.state.epoch == 3:
            raise RuntimeError("out of memory")

    trainer.add_event_handler(Events.ITERATION_STARTED, crash)
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.run()
    assert [row["epoch"] for row in read(tmp_path / "curves.csv")] == ["1", "2"]
    assert {path.name for path in tmp_path.iterdir()} == {"curves.csv", "curves.png"}


def test_gradients_are_clipped_before_the_step(tmp_path):
    seen = []
    for norm in (1e-3, 0.0):
        trainer = train(tmp_path, epochs=1)
        GradientClip(trainer.network.parameters(), max_norm=norm).attach(trainer)
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            lambda engine: seen.append(sum(p.grad.square().sum() for p in engine.network.parameters()).sqrt().item()),
        )
        trainer.run()
    assert all(norm == pytest.approx(1e-3, rel=1e-2) for norm in seen[:2]) and min(seen[2:]) > 2e-3


def logged(caplog):
    return [record.message for record in caplog.records if record.name == "dvpt_monai.handlers.progress_bar"]


@pytest.fixture
def engine():
    return Engine(lambda engine, batch: [{"loss": torch.tensor(batch)}, {"loss": torch.tensor(batch)}])


def test_the_bar_shows_the_loss(engine, capsys):
    ProgressBar(desc="Training", persist=True, disable=False).attach(engine)
    engine.run([0.125, 0.125], max_epochs=2)
    said = capsys.readouterr().err
    assert "Training [2/2]" in said and "loss=0.125" in said


def test_an_epoch_that_ended_in_another_process_has_no_line(engine, caplog):
    caplog.set_level("INFO")
    ProgressBar(desc="Training", persist=True).attach(engine)
    engine.add_event_handler(Events.STARTED, lambda: engine.fire_event(Events.EPOCH_COMPLETED))
    engine.run([0.25], max_epochs=1)
    assert [line.partition(",")[0] for line in logged(caplog)] == ["Training [1/1]"]


def test_a_log_has_a_line_for_each_epoch_and_no_bars(engine, capsys, caplog):
    caplog.set_level("INFO")
    ProgressBar(desc="Training", persist=True).attach(engine)
    validation = Engine(lambda engine, batch: [{"pred": batch}])
    ProgressBar(desc="Validation").attach(validation)
    engine.run([0.25, 0.5], max_epochs=2)
    validation.run([0])
    training = [r"Training \[1/2\], mean loss 0\.375, \d+\.\d s", r"Training \[2/2\], mean loss 0\.375, \d+\.\d s"]
    for line, pattern in zip(logged(caplog), [*training, r"Validation, \d+\.\d s"], strict=True):
        assert re.fullmatch(pattern, line)
    assert capsys.readouterr().err == ""


def test_a_terminal_has_the_bar(engine, capsys, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ProgressBar(desc="Training", persist=True).attach(engine)
    engine.run([0.125], max_epochs=1)
    assert "loss=0.125" in capsys.readouterr().err and not logged(caplog)


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), whole_file(path) as part:
        part.write_text("half")
        raise OSError("full")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    with whole_file(path) as part:
        part.write_text("new")
    assert path.read_text() == "new" and path.stat().st_mode & 0o444 == 0o444


def test_an_evaluation_logs_its_metrics_and_nothing_of_epochs(caplog):
    caplog.set_level("INFO")
    evaluator = Engine(lambda engine, batch: None)
    evaluator.state.key_metric_name = "kappa"
    evaluator.state.metrics = {"accuracy": torch.tensor(0.25), "kappa": 0.5, "left_out": "edema", "each": torch.rand(3)}
    MetricsLog().attach(evaluator)
    evaluator.run([0])
    [line] = [record.message for record in caplog.records if record.name == "dvpt_monai.handlers.metrics_log"]
    assert line == "Metrics: kappa 0.5000, accuracy 0.2500"
