"""Whole comparisons, on phantoms with tiny networks."""

import csv
import json
import shutil

import numpy as np
import pytest

from dvpt_monai.compare import compare, parse_methods, recommended
from dvpt_monai.compare import work as working
from dvpt_monai.compare.bundle import Bundle
from dvpt_monai.compare.runs import read_rows
from dvpt_monai.compare.scores import difference
from dvpt_monai.data.parts import fingerprint
from dvpt_monai.errors import BundleError, TuningError
from dvpt_monai.metrics import resample

METHODS = "DVPT(num_prompts=4, bottleneck=2),LinearProbe"
BROKEN = "DVPT(layers=(99,))"
SETTINGS = {"seeds": 2, "fractions": (0.6, 1.0), "options": {"epochs": 1}}
"""Of the comparison that most tests read."""


def run(bundle, out, methods=METHODS, **settings):
    """A comparison of two trials and one seed, unless told otherwise."""
    options = {"dataset_dir": str(bundle.data), "backbone_weights": "random", **bundle.overrides}
    options |= settings.pop("options", {})
    given = {"trials": 2, "seeds": 1, **settings}
    return compare(bundle.root, parse_methods(methods), out, options=options, **given)


def rows_of(out):
    return list(read_rows(out / "runs.csv").values())


def stages(out):
    return [(row["method"].partition("(")[0], row["stage"], row["fold"], row["seed"]) for row in rows_of(out)]


@pytest.fixture(scope="module")
def fundus_comparison(fundus, tmp_path_factory):
    return run(fundus, tmp_path_factory.mktemp("comparison"), **SETTINGS)


# --- what comes out


def test_every_run_is_a_row_that_says_what_it_was(fundus_comparison, fundus):
    rows = rows_of(fundus_comparison.out)
    assert len(rows) == 2 * 2 * (2 + 2) and not any(row["error"] for row in rows)
    for row in rows:
        assert row["task"] == "fundus_dr_classification" and row["metric"] == "quadratic_kappa"
        assert json.loads(row["options"])["dataset_dir"] == str(fundus.data)
        assert json.loads(row["arguments"])["method"] == row["method"].partition("(")[0]
        assert "head_learning_rate" in json.loads(row["settings"]) and "accuracy" in json.loads(row["metrics"])
        assert 0 < float(row["overhead_seconds"]) < float(row["seconds"])
        assert int(row["threads"]) == 1 and "torch" in row["versions"] and row["machine"]
        assert int(row["trained_parameters"]) > int(row["method_parameters"]) >= 0
    scored = [row for row in rows if row["stage"] == "test"]
    assert {row["scored_cases"] for row in scored} == {"10"} and all(float(row["memory_mb"]) > 0 for row in scored)
    assert {row["training_cases"] for row in scored if row["fraction"] == "1"} == {"20"}
    assert all(int(row["training_cases"]) < 20 for row in scored if row["fraction"] == "0.6")


def test_scores_and_paired_intervals_are_those_of_the_predictions(fundus_comparison):
    """Recomputed from predictions.csv with scikit-learn."""
    from sklearn.metrics import cohen_kappa_score

    def kappa(rows, counts):
        drawn = [row for row, count in zip(rows, counts, strict=True) for _ in range(int(count))]
        labels, predictions = ([int(row[name]) for row in drawn] for name in ("label", "prediction"))
        value = cohen_kappa_score(labels, predictions, weights="quadratic", labels=list(range(5)))
        return np.nan if len({*labels, *predictions}) == 1 else value

    def predictions(row):
        with (fundus_comparison.out / "runs" / row["run"] / "predictions.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    weights = resample(10).numpy()
    means = {}
    for each in (each for each in fundus_comparison.scores if each.fraction == 1):
        tables = [
            predictions(row)
            for row in rows_of(fundus_comparison.out)
            if (row["stage"], row["fraction"], row["method"]) == ("test", "1", each.method)
        ]
        for seed, rows in enumerate(tables):
            assert each.values[seed] == pytest.approx(kappa(rows, np.ones(10)), abs=1e-5)
        values = np.array([[kappa(rows, counts) for counts in weights] for rows in tables])
        means[each.method] = (resample(2, seed=1).numpy().T * values).sum(0) / 2, each
    (first, one), (second, other) = means.values()
    _, ends = difference(one, other)
    gap = first - second
    low, high = np.nanquantile(gap, [0.025, 0.975])
    assert (ends.low, ends.high) == pytest.approx((low, high), abs=1e-6)


def test_table_figures_and_what_to_type(fundus_comparison, fundus):
    out = fundus_comparison.out
    text = (out / "table.md").read_text()
    assert "20 cases to train on, 10 test cases" in text and "(60% of the labels)" in text
    assert text.count("minus DVPT(num_prompts=4, bottleneck=2) [95 %]") == 2
    for name in ("costs.png", "labels.png"):
        assert (out / name).stat().st_size > 5000
    shown = fundus_comparison.table()
    assert "python -m monai.bundle run training --config_file" in shown and "--head_learning_rate 0.0" in shown
    assert recommended(out).keys() == {0.6, 1.0}


def test_nothing_is_made_twice(fundus_comparison, fundus, monkeypatch):
    monkeypatch.setattr(working, "train", None)  # which nobody may call
    again = run(fundus, fundus_comparison.out, **SETTINGS)
    assert again.table() == fundus_comparison.table()


def test_no_network_is_left_behind(fundus_comparison):
    assert not list(fundus_comparison.out.rglob("*.pt")) and not list(fundus_comparison.out.rglob("*.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hippocampus", "chest", "adrenal", "lesions"])
def test_it_works_on_every_bundle(name, request, tmp_path):
    bundle = request.getfixturevalue(name)
    result = run(bundle, tmp_path, methods="LinearProbe", options={"epochs": 1})
    assert result.failures == [] and [stage for _, stage, *_ in stages(tmp_path)] == ["search", "search", "test"]
    assert result.scores[0].interval and result.scores[0].cases == int(rows_of(tmp_path)[-1]["scored_cases"])
    assert (tmp_path / "table.md").is_file()


@pytest.mark.bundle
def test_a_last_training_is_the_bundle_s_own(fundus, tmp_path):
    """To the bit: what `python -m monai.bundle run` makes with the same options."""
    own = {"folds": 1, "fold": 0, "seed": 0, "val_interval": 2, "method": "LinearProbe", "head_learning_rate": 0.02}
    own |= {"models_dir": str(tmp_path / "own"), "output_dir": str(tmp_path / "own")}
    fundus.run("train", **own)
    fundus.run("train", "evaluate", **own)
    options = {"head_learning_rate": 0.02}
    run(fundus, tmp_path / "out", methods="LinearProbe", trials=1, options=options)
    [row] = rows_of(tmp_path / "out")
    ours = tmp_path / "out" / "runs" / row["run"] / "predictions.csv"
    assert ours.read_bytes() == (tmp_path / "own" / "predictions.csv").read_bytes()
    assert float(row["value"]) == json.loads((tmp_path / "own" / "metrics.json").read_text())["quadratic_kappa"]


# --- what is never read


@pytest.fixture
def no_test_images(fundus, tmp_path):
    """The fundus bundle on data whose test photographs cannot be read."""
    data = tmp_path / "eyes"
    shutil.copytree(fundus.data, data)
    with (data / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "test":
                (data / row["image"]).write_bytes(b"no photograph")
    return type(fundus)(fundus.root, data, fundus.images, fundus.overrides)


@pytest.mark.bundle
def test_a_search_reads_no_test_case(no_test_images, tmp_path):
    result = run(no_test_images, tmp_path / "out", methods="LinearProbe", score="folds", options={"folds": 2})
    assert result.failures == [] and {stage for _, stage, *_ in stages(tmp_path / "out")} == {"search", "folds"}


@pytest.mark.bundle
def test_the_score_does_read_them(no_test_images, tmp_path):
    """The control: after a search without an error the last training fails, where it meets the test cases."""
    result = run(no_test_images, tmp_path / "out", methods="LinearProbe")
    assert [bool(row["error"]) for row in rows_of(tmp_path / "out")] == [False, False, True]
    assert rows_of(tmp_path / "out")[-1]["stage"] == "test" and len(result.failures) == 1


def test_a_copy_of_a_case_that_validates_does_not_train(fundus, tmp_path):
    bundle = Bundle(fundus.root, {"dataset_dir": str(fundus.data), "backbone_weights": "random"})
    plain = bundle.workflow({"fold": 0}).parser
    training, validation = (plain.get_parsed_content(name) for name in ("train_cases", "val_cases"))
    shutil.copytree(fundus.data, tmp_path / "eyes")
    here = Bundle(fundus.root, {**bundle.options, "dataset_dir": str(tmp_path / "eyes")})
    twin, origin = (tmp_path / "eyes" / cases[0]["name"] for cases in (training, validation))
    twin.write_bytes(origin.read_bytes())
    parser = here.workflow({"fold": 0, **here.searching(1.0)}).parser
    parts = [parser.get_parsed_content(name) for name in ("train_cases", "val_cases")]
    contents = [{fingerprint(case["image"]) for case in cases} for cases in parts]
    assert contents[0].isdisjoint(contents[1])


def test_few_labels_are_few_for_the_validation_too(fundus):
    bundle = Bundle(fundus.root, {"dataset_dir": str(fundus.data), "backbone_weights": "random", "folds": 2})
    few, all_of_them = (
        bundle.workflow({"fold": 0, "label_fraction": f, **bundle.searching(f)}).parser.get_parsed_content("val_cases")
        for f in (0.3, 1.0)
    )
    assert 0 < len(few) < len(all_of_them)


# --- failing and going on


@pytest.mark.bundle
def test_a_method_that_fails_is_a_row_and_the_rest_goes_on(fundus, tmp_path):
    result = run(fundus, tmp_path, methods=f"{BROKEN},LinearProbe")
    broken = [row for row in rows_of(tmp_path) if row["method"] == BROKEN]
    assert len(broken) == 2 and all(row["error"].startswith(f"{TuningError.__name__}: DVPT: layers") for row in broken)
    assert [each.method for each in result.scores] == ["LinearProbe"]
    assert result.failures[0].startswith(f"{BROKEN}: 2 runs failed, TuningError")
    assert "Traceback" in (tmp_path / "runs" / broken[0]["run"] / "log.txt").read_text()


@pytest.mark.bundle
def test_what_failed_is_tried_again_by_the_next_call(fundus, tmp_path, monkeypatch):
    real = working.train

    def without_memory(*arguments):
        return {**real(*arguments), "error": "OutOfMemoryError: too large"}

    monkeypatch.setattr(working, "train", without_memory)
    assert run(fundus, tmp_path, methods="LinearProbe").failures
    monkeypatch.setattr(working, "train", real)
    assert not run(fundus, tmp_path, methods="LinearProbe").failures
    assert [stage for _, stage, *_ in stages(tmp_path)] == ["search", "search", "test"]


class Killed(BaseException):
    """As a signal ends a process: nothing catches it."""


@pytest.mark.slow
def test_a_run_that_was_killed_is_made_again_and_finished_ones_are_not(fundus, tmp_path, monkeypatch):
    real, made = working.train, []

    def killed(bundle, one, folder):
        made.append(one.key)
        if len(made) == 2:
            (folder / "models").mkdir()
            (folder / "models" / "model.pt").write_bytes(b"half")
            raise Killed
        return real(bundle, one, folder)

    monkeypatch.setattr(working, "train", killed)
    with pytest.raises(Killed):
        run(fundus, tmp_path)
    assert len(rows_of(tmp_path)) == 1
    run(fundus, tmp_path)
    assert len(made) == 1 + 1 + 5 and made[1] == made[2]  # the second run twice, all others once
    assert len(set(made)) == len(rows_of(tmp_path)) == 6
    resumed = {row["run"]: row["value"] for row in rows_of(tmp_path)}
    monkeypatch.setattr(working, "train", real)
    run(fundus, tmp_path / "at once")
    assert {row["run"]: row["value"] for row in rows_of(tmp_path / "at once")} == resumed


@pytest.mark.slow
def test_a_run_that_another_process_makes_is_left_to_it(fundus, tmp_path, monkeypatch):
    """A lock of another process holds the first run; the others are made, and it last, when it is free."""
    from filelock import FileLock

    real, made = working.train, []
    monkeypatch.setattr(working, "train", lambda *arguments: made.append(arguments[1].key) or real(*arguments))
    run(fundus, tmp_path / "order", methods="LinearProbe")
    folder = tmp_path / "out" / "runs" / made[0]
    folder.mkdir(parents=True)
    theirs = FileLock(folder / ".lock")
    theirs.acquire()
    monkeypatch.setattr(working.time, "sleep", lambda seconds: theirs.release())
    run(fundus, tmp_path / "out", methods="LinearProbe")
    assert made[3:] == [made[1], made[0], made[2]]


# --- what is refused


def test_what_no_bundle_has_is_refused_before_anything_runs(fundus, tmp_path):
    with pytest.raises(BundleError, match="--epoch: unknown, did you mean --epochs"):
        run(fundus, tmp_path, options={"epoch": 1})
    with pytest.raises(BundleError, match="takes the folder of a bundle"):
        compare(tmp_path, parse_methods("DVPT"), tmp_path / "out")
    assert not (tmp_path / "runs.csv").exists()
