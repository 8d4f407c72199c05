"""The figures of a comparison."""

import math

import numpy as np
import pytest
from matplotlib.image import imread

from dvpt_monai.reports.comparison import Point, draw_costs, draw_labels


def test_lines_of_methods_whose_labels_differ_by_seed(tmp_path):
    lines = {
        "DVPT": [Point(40, 0.6, 0.5, 0.7), Point(100, 0.7, 0.6, 0.8)],
        "LinearProbe": [Point(40, 0.5, math.nan, math.nan)],
    }
    draw_labels(tmp_path / "labels.png", lines, "quadratic_kappa")
    assert np.ptp(imread(tmp_path / "labels.png")) > 0.5


@pytest.mark.parametrize("most", [20.0, 1e7])
def test_costs_near_and_far(tmp_path, most):
    points = {f"method {number}": Point(10 + most * number, 0.5, 0.4, 0.6) for number in range(12)}
    draw_costs(tmp_path / "costs.png", {"memory": points, "parameters": points}, "dice")
    assert np.ptp(imread(tmp_path / "costs.png")) > 0.5


def test_a_legend_of_long_names_is_whole(tmp_path):
    points = {f"SideDVPT(num_prompts={number})": Point(2e5 + number, 0.5, 0.4, 0.6) for number in range(12)}
    draw_costs(tmp_path / "costs.png", {"memory": points, "parameters": points}, "dice")
    image = imread(tmp_path / "costs.png")
    edges = image[:, [0, 1, -2, -1], :3]
    assert np.all(edges == 1), "nothing reaches over the sides"
