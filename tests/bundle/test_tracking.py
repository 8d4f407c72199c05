"""A run in MLflow and in TensorBoard, by one option each."""

import csv

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


def curves(bundle, output):
    with (output / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow  # the import of mlflow alone
def test_mlflow_holds_what_the_curves_show(fundus, tmp_path):
    tracking = pytest.importorskip("mlflow.tracking", reason="pip install dvpt_monai[tracking]")
    output = tmp_path / "output"
    fundus.run("train", tracking="mlflow", output_dir=str(output), models_dir=str(tmp_path / "models"))
    client = tracking.MlflowClient(f"sqlite:///{output / 'mlruns.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    [run] = client.search_runs(experiments)
    assert run.info.status == "FINISHED" and run.data.params["max_epochs"] == str(fundus.overrides["epochs"])
    last = curves(fundus, output)[-1]
    for name in ("quadratic_kappa", "accuracy"):
        assert run.data.metrics[name] == pytest.approx(float(last[name]), abs=1e-5)
    assert "train_loss" in run.data.metrics


@pytest.mark.bundle
def test_tensorboard_holds_loss_and_metrics_of_every_epoch(hippocampus, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install dvpt_monai[tracking]"
    )
    output = tmp_path / "output"
    hippocampus.run("train", tensorboard=True, output_dir=str(output), models_dir=str(tmp_path / "models"))
    events = {}
    for path in (output / "tensorboard").iterdir():
        found = accumulator.EventAccumulator(str(path)).Reload()
        for tag in found.Tags()["scalars"]:
            events[tag] = [event.value for event in found.Scalars(tag)]
    rows = curves(hippocampus, output)
    assert events["mean_dice"] == pytest.approx([float(row["mean_dice"]) for row in rows], abs=1e-5)
    assert len(events["train_loss"]) >= len(rows)


def test_nothing_is_tracked_unless_asked(trained):
    names = {path.name for path in (trained.root / "output").iterdir()}
    assert not {"tensorboard", "mlruns", "mlruns.db"} & names
