"""``compare`` and ``recommend`` as a person calls them."""

import signal
import time

import pytest

from dvpt_monai.compare.runs import read_rows


@pytest.fixture
def words(fundus):
    """The command line of a small comparison."""

    def line(out, methods="DVPT(num_prompts=4,bottleneck=2),LinearProbe", *more, options=()):
        return [
            *("compare", "--bundle", fundus.root, "--methods", methods, "--trials", 2, "--seeds", 1, "--epochs", 1),
            *("--device", "cpu", "--out", out, *more, "--", "--dataset_dir", fundus.data),
            *("--backbone_weights=random", *options),
        ]

    return line


@pytest.mark.bundle
def test_a_comparison_and_a_recommendation(say, words, tmp_path):
    code, text, progress = say(*words(tmp_path))
    assert code == 0 and "20 cases to train on, 10 test cases" in text
    assert "--backbone_weights random --epochs 1 --device cpu" in text
    lines = progress.splitlines()
    assert lines[0] == "6 runs of 2 methods; the first tells how long they take"
    assert lines[1].startswith("[1/6] DVPT(num_prompts=4, bottleneck=2), search, trial 1, fold 0: quadratic kappa ")
    assert "; about " in lines[1] and lines[-1].startswith("[6/6]") and "about" not in lines[-1]
    code, text, _ = say("recommend", "--out", tmp_path)
    assert code == 0 and "20 labelled cases" in text and "is the best" in text


@pytest.mark.bundle
def test_the_exit_code_tells_of_a_failure(say, words, tmp_path):
    code, text, progress = say(*words(tmp_path, "DVPT(layers=(99,)),LinearProbe"))
    assert code == 1 and "DVPT(layers=(99,)): 2 runs failed, TuningError" in text and "LinearProbe" in text
    assert "[1/6] DVPT(layers=(99,)), search, trial 1, fold 0: TuningError" in progress


@pytest.mark.parametrize(
    ("more", "options", "error"),
    [
        (("--fractions", "0.5,2"), (), "--fractions 2.0: give shares above 0 and up to 1"),
        ((), ("--epoch", "1"), "--epoch: unknown, did you mean --epochs?"),
        ((), ("--image_size",), "--image_size: options of a bundle stand behind -- as --NAME VALUE"),
        ((), ("image_size", "3"), "image_size: options of a bundle"),
        (("--device", "cuda:99"), (), "--device cuda:99: PyTorch finds"),
    ],
)
def test_what_is_refused(say, words, tmp_path, more, options, error):
    code, _, said = say(*words(tmp_path, "DVPT", *more, options=options))
    assert code == 1 and error in said and not (tmp_path / "runs.csv").exists()


def test_there_is_nothing_to_recommend_from(say, tmp_path):
    code, _, said = say("recommend", "--out", tmp_path)
    assert code == 1 and "no run has been scored yet" in said


@pytest.mark.bundle
def test_a_killed_comparison_goes_on(process, say, words, tmp_path):
    line = words(tmp_path)
    killed = process("-m", "dvpt_monai", *line)
    while len(read_rows(tmp_path / "runs.csv")) < 2:
        assert killed.poll() is None
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = read_rows(tmp_path / "runs.csv")
    code, _, progress = say(*line)
    after = read_rows(tmp_path / "runs.csv")
    assert code == 0 and len(after) == 6 and f"{len(before)} of them done" in progress
    assert {key: after[key] for key in before} == before  # to the moment at which they ended


@pytest.mark.bundle
def test_two_at_a_time_make_the_same_runs(say, words, tmp_path):
    assert say(*words(tmp_path / "one"))[0] == 0
    code, _, _ = say(*words(tmp_path / "two", "DVPT(num_prompts=4,bottleneck=2),LinearProbe", "--jobs", 2))
    rows = [read_rows(tmp_path / name / "runs.csv") for name in ("one", "two")]
    assert code == 0 and len(rows[0]) == 6
    assert {key: row["value"] for key, row in rows[0].items()} == {key: row["value"] for key, row in rows[1].items()}
