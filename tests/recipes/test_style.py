"""Configs look alike, whoever wrote them."""

import json
from pathlib import Path

import pytest

from dvpt_monai.errors import BundleError
from dvpt_monai.recipes.style import styled

CONFIGS = sorted((Path(__file__).parents[2] / "bundles").glob("*/configs/*.json"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_configs_are_narrow_and_indented_by_four(path):
    lines = path.read_text().splitlines()
    assert all(len(line) <= 120 or line.count('"') <= 4 for line in lines)  # a single text has no place to break
    assert all((len(line) - len(line.lstrip())) % 4 == 0 for line in lines)


def test_what_is_short_stays_on_a_line():
    assert styled({"a": {"b": [1, 2]}, "c": []}) == '{\n    "a": {"b": [1, 2]},\n    "c": []\n}\n'
    assert styled({"a": ["x" * 70, "y" * 70]}).count("\n") == 6
    assert styled({"a": [{"b": 1}, {"b": 2}]}).splitlines()[2:4] == ['        {"b": 1},', '        {"b": 2}']


def test_paragraphs_are_one_object():
    text = styled({"a": 1, "b": 2}, {}, {"c": (3,)})
    assert text == '{\n    "a": 1,\n    "b": 2,\n\n    "c": [3]\n}\n'
    assert json.loads(text) == {"a": 1, "b": 2, "c": [3]}


def test_a_name_stands_once():
    with pytest.raises(BundleError, match="'b' stands in two paragraphs"):
        styled({"a": 1, "b": 2}, {"b": 3})
