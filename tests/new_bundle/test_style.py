"""New configs read like those that were written by hand."""

import json
from pathlib import Path

import pytest

from dvpt_monai.new_bundle.style import openings, styled

CONFIGS = sorted((Path(__file__).parents[2] / "bundles").glob("*/configs/*.json"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_a_config_of_the_project_keeps_its_content_and_looks(path):
    text = path.read_text()
    again = styled(json.loads(text), openings(text))
    assert json.loads(again) == json.loads(text)
    assert openings(again) == openings(text)
    long = {line for line in again.splitlines() if len(line) > 120}
    assert long <= set(text.splitlines())  # single strings, which have no place to break
    assert all((len(line) - len(line.lstrip())) % 4 == 0 for line in again.splitlines())
    same = sum(line in again.splitlines() for line in text.splitlines())
    assert same > 0.8 * len(text.splitlines())


def test_what_is_short_stays_on_a_line():
    assert styled({"a": {"b": [1, 2]}, "c": []}) == '{\n    "a": {"b": [1, 2]},\n    "c": []\n}\n'
    assert styled({"a": ["x" * 70, "y" * 70]}).count("\n") == 6
    assert styled({"a": [{"b": 1}, {"b": 2}]}).splitlines()[2:4] == ['        {"b": 1},', '        {"b": 2}']
