"""The record of a run's parts: written whole, read back, and what an evaluation does by it."""

import json
import shutil

import pytest

from dvpt_monai.data import holdout, read_csv, read_parts, recorded_test, write_parts
from dvpt_monai.errors import DataError


@pytest.fixture
def data(tmp_path):
    """`data(20)` is a data set of 20 images, each of other content."""

    def make(count, folder="data", content="eye"):
        home = tmp_path / folder
        (home / "images").mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (home / "images" / f"{number}.png").write_text(f"{content} {number}" * 1000)
        rows = [f"images/{number}.png,{number % 2}" for number in range(count)]
        (home / "labels.csv").write_text("\n".join(["image,label", *rows]))
        return read_csv(home / "labels.csv", label="label")

    return make


@pytest.fixture
def run(data, tmp_path):
    """A run on 20 cases: 12 trained, 4 validated, 4 are for the test; its checkpoint."""
    cases = data(20)
    write_parts(tmp_path / "models", cases[:12], cases[12:16], cases[16:], seed=3)
    return tmp_path / "models" / "model.pt"


def names(cases):
    return [case["name"] for case in cases]


def test_what_is_written_is_read_back(run, data):
    parts, cases = read_parts(run), data(20)
    assert list(parts.training) == names(cases[:12])
    assert list(parts.validation) == names(cases[12:16]) and list(parts.test) == names(cases[16:])
    assert parts.seed == 3
    assert read_parts(run.parent) == read_parts(run.with_name("adapter.safetensors")) == parts
    assert [path.name for path in run.parent.iterdir()] == ["parts.json"]


def test_a_part_is_taken_from_data_that_moved_and_grew(run, data, tmp_path):
    data(30)
    (tmp_path / "data").rename(tmp_path / "moved")
    cases = read_csv(tmp_path / "moved" / "labels.csv", label="label")
    assert names(read_parts(run).take(cases, "validation")) == [f"images/{number}.png" for number in range(12, 16)]


def test_without_a_record_all_cases_are_tested(data, tmp_path):
    cases = data(5)
    assert recorded_test(tmp_path / "model.pt", cases) is cases and read_parts(tmp_path) is None


def test_the_recorded_test_cases_are_tested_when_the_data_have_grown(run, data, caplog):
    cases = data(20)
    assert names(recorded_test(run, cases[16:])) == names(cases[16:])
    assert not caplog.records
    grown = data(23)
    assert names(recorded_test(run, grown[16:])) == names(cases[16:])
    assert "3 of 7 test cases are new since" in caplog.text and "images/20.png, images/21.png" in caplog.text


def test_test_cases_that_are_gone_are_warned_of(run, data, caplog):
    assert len(recorded_test(run, data(20)[17:])) == 3
    assert "1 of 4 test cases on record are gone: images/16.png" in caplog.text


def test_a_case_that_trained_is_refused_by_name(run, data):
    with pytest.raises(DataError, match=r"2 of 4 test cases trained .*model\.pt: images/3.png, images/4.png; their"):
        recorded_test(run, data(20)[3:5] + data(20)[17:19])
    with pytest.raises(DataError, match="and 5 more"):
        recorded_test(run, data(20)[:10])


def test_another_root_hides_no_case_that_trained(run, data, tmp_path):
    data(20)
    shutil.copytree(tmp_path / "data", tmp_path / "copy" / "of it")
    with pytest.raises(DataError, match=r"1 of 1 test cases trained .*images/3\.png"):
        recorded_test(run, read_csv(tmp_path / "copy" / "of it" / "labels.csv", label="label")[3:4])


def test_data_of_another_place_with_the_same_names_are_tested(run, data, caplog):
    """Images are told apart by what they hold: names such as images/3.png are common."""
    cases = data(20, "elsewhere", content="other eye")
    assert recorded_test(run, cases) is cases and not caplog.records


def test_cases_that_chose_the_epoch_are_warned_of(run, data, caplog):
    cases = data(20)[12:16]
    assert recorded_test(run, cases) == cases
    assert "4 of 4 test cases chose the best epoch: images/12.png" in caplog.text


def test_a_copy_of_a_training_image_is_warned_of(run, data, tmp_path, caplog):
    cases = data(20)[16:]
    shutil.copy(tmp_path / "data" / "images" / "2.png", tmp_path / "data" / "images" / "17.png")
    recorded_test(run, cases)
    assert "1 test images are training images of other names: images/17.png (images/2.png)" in caplog.text


def test_cases_without_a_name_are_known_by_the_root_or_the_path(data, tmp_path):
    cases = [{"image": case["image"]} for case in data(4)]
    write_parts(tmp_path / "named", cases[:2], cases[2:3], root=tmp_path / "data")
    write_parts(tmp_path / "plain", cases[:2], cases[2:3])
    assert list(read_parts(tmp_path / "named").training) == ["images/0.png", "images/1.png"]
    assert list(read_parts(tmp_path / "plain").training) == [case["image"] for case in cases[:2]]
    for folder, root in (("named", tmp_path / "data"), ("plain", None)):
        with pytest.raises(DataError, match="1 of 1 test cases trained"):
            recorded_test(tmp_path / folder / "model.pt", cases[:1], root=root)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:50], "cannot be read"),
        (lambda text: "[]", "cannot be read"),
        (lambda text: "{}", "cannot be read"),
        (lambda text: text.replace("images/3.png", "images/99.png"), "changed since it was written"),
        (lambda text: text.replace('"seed": 3', '"seed": 4'), "changed since it was written"),
    ],
)
def test_a_record_that_was_changed_is_refused(run, data, damage, words):
    path = run.with_name("parts.json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=rf"parts\.json: {words}"):
        recorded_test(run, data(20)[16:])


def test_the_record_is_plain(run):
    """A person can read it: names, and which part they are of."""
    content = json.loads(run.with_name("parts.json").read_text())
    assert sorted(content) == ["seed", "sha256", "test", "training", "validation"]


def test_a_run_and_its_evaluation_after_the_data_have_grown(data, tmp_path, caplog):
    """A test set by share: no old case moves, and the new ones wait for the next training."""
    cases = data(60)
    write_parts(tmp_path, holdout(cases, "development"), [], holdout(cases, "test"))
    before = names(holdout(cases, "test"))
    grown = data(90)
    assert set(before) < set(names(holdout(grown, "test")))
    assert names(recorded_test(tmp_path / "model.pt", holdout(grown, "test"))) == before
