"""What is drawn, from plain arrays: no engine, no network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from dvpt_monai.reports import curves
from dvpt_monai.reports.canvas import add_legend, write_grid
from dvpt_monai.reports.classes import draw_class, draw_labels
from dvpt_monai.reports.curves import draw_curves
from dvpt_monai.reports.pictures import fitted
from dvpt_monai.reports.structures import draw_contours, draw_painted, outline

NAMES = ["nodule", "edema", "rib"]
GRAY = np.full((4, 4), 0.5)


def lines_of(truth):
    axes = list(Figure().subplots(1, 2))
    draw_labels(axes, GRAY, "a", truth, np.array([0.2, 0.9, 0.5]), NAMES, top=2)
    return [(text.get_text(), text.get_color()) for text in axes[1].texts]


def test_the_true_and_the_most_probable_labels_are_named():
    one, all_of_them, unknown = map(lines_of, (np.array([1, 0, 0]) > 0, np.ones(3, bool), None))
    assert [text for text, _ in one] == ["true", "nodule", "", "most probable", "0.90 edema", "0.50 rib"]
    assert [color for _, color in one[-2:]] == ["firebrick", "firebrick"]
    assert [text for text, _ in all_of_them][:3] == ["true", "nodule", "and 2 more"]
    assert [color for _, color in all_of_them[-2:]] == ["darkgreen", "darkgreen"]
    assert [text for text, _ in unknown] == ["most probable", "0.90 edema", "0.50 rib"]
    assert [color for _, color in unknown[1:]] == ["black", "black"]
    assert [text for text, _ in lines_of(np.zeros(3, bool))][:2] == ["true", "none"]


@pytest.mark.parametrize(
    ("truth", "lines", "colour"),
    [
        (0, ["true mole, predicted melanoma (0.80)"], "firebrick"),
        (1, ["true melanoma", "predicted melanoma (0.80)"], "darkgreen"),
        (None, ["predicted melanoma (0.80)"], "black"),
    ],
)
def test_a_class_is_green_where_it_is_right(truth, lines, colour):
    axes = Figure().subplots()
    draw_class(axes, GRAY, "a", truth, 1, 0.8, ["mole", "melanoma"])
    assert axes.get_title().splitlines() == ["a", *lines] and axes.title.get_color() == colour


def test_contours_lie_around_their_labels_in_the_colours_of_the_legend():
    mask = np.zeros((8, 6), int)
    mask[2:5, 1:3] = 2
    panels = Figure().subplots(1, 3)
    draw_contours(panels, np.random.default_rng(0).random((8, 6)), "a", {"truth": None, "prediction": mask})
    assert [panel.get_title() for panel in panels] == ["a", "", "prediction"]
    assert not panels[0].collections and not panels[1].images
    [contour] = panels[2].collections
    assert to_hex(contour.get_edgecolor()[0]) == outline(2) != outline(1)
    points = np.concatenate([path.vertices for path in contour.get_paths()])
    assert points.min(0).tolist() == [1.5, 0.5] and points.max(0).tolist() == [4.5, 2.5]  # (x, y) is (row, column)


def test_an_image_named_like_a_panel_is_still_drawn():
    panels = Figure().subplots(1, 2)
    draw_contours(panels, GRAY, "prediction", {"prediction": np.ones((4, 4), int)})
    assert all(panel.images for panel in panels)


def test_photographs_are_painted_beside_themselves():
    masks = np.zeros((1, 4, 4), bool)
    masks[0, 1, 2] = True
    panels = Figure().subplots(1, 2)
    draw_painted(panels, np.full((4, 4, 3), 0.5), "a", {"prediction": masks})
    plain, under = (np.asarray(panel.images[0].get_array()) for panel in panels)
    assert np.argwhere((plain != under).any(2)).tolist() == [[1, 2]]


@pytest.mark.parametrize("size", [(7, 5), (3, 11), (20, 30), (1, 1)])
def test_fitted_masks_are_those_of_torch(size):
    masks = np.random.default_rng(0).integers(0, 3, (2, 13, 17))
    expected = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(masks).double(), size)
    assert np.array_equal(fitted(masks, size), expected)


def test_a_grid_has_its_cases_its_note_and_its_legend(tmp_path):
    drawn = []

    def draw(axes, case):
        drawn.append((case, len(axes)))
        axes[0].imshow(GRAY + case, vmin=0, vmax=4)

    write_grid(tmp_path / "g.png", [0, 1, 2], draw, panels=2, columns=2, note="PHANTOM", colours={"cup": "#ff0000"})
    assert drawn == [(0, 2), (1, 2), (2, 2)]
    red = (imread(tmp_path / "g.png")[..., :3] * 255).round()
    assert (red == [178, 34, 34]).all(2).any() and (red == [255, 0, 0]).all(2).any()  # the note, the legend


def test_a_legend_names_what_is_drawn():
    figure = Figure()
    add_legend(figure, {"cup": "#ff0000", "disc": "#00ff00"})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cup", "disc"]


def test_curves_without_metrics_and_with_gaps(tmp_path):
    draw_curves(tmp_path / "a.png", [{"epoch": 1, "loss": 1.0}])
    draw_curves(tmp_path / "b.png", [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "dice": 0.7}], "PHANTOM")
    narrow, wide = (imread(tmp_path / name) for name in ("a.png", "b.png"))
    assert narrow.std() > 0.05 and wide.shape[1] == 2 * narrow.shape[1]


def test_the_legend_of_curves_hides_no_point(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "write_figure", lambda figure, *_, **__: drawn.append(figure))
    scores = {f"aupr_{place}": place / 12 for place in range(12)}
    draw_curves(tmp_path / "a.png", [{"epoch": 60, "loss": 1.0, **scores}])
    [figure] = drawn
    figure.canvas.draw()
    [legend] = figure.legends
    assert len(legend.get_texts()) == 12
    assert not any(legend.get_window_extent().overlaps(axes.get_window_extent()) for axes in figure.axes)
    radius = figure.dpi / 72 * figure.axes[1].lines[0].get_markersize() / 2
    [(right, _)] = figure.axes[1].transData.transform([(60, 0.5)])
    assert right + radius < figure.axes[1].get_window_extent().x1


def test_matplotlib_waits_until_something_is_drawn():
    """In a process of its own: this one has it already."""
    rooms = sorted((Path(__file__).parents[2] / "dvpt_monai" / "reports").glob("[a-z]*.py"))
    assert len(rooms) > 5
    pure = [f"dvpt_monai.reports.{path.stem}" for path in rooms if path.stem != "aupr"]  # that one imports MONAI
    code = f"""
import importlib.util, sys, types
package = types.ModuleType("dvpt_monai")  # without what the package itself imports
package.__path__ = [{str(Path(__file__).parents[2] / "dvpt_monai")!r}]
sys.modules["dvpt_monai"] = package
for name in {pure!r}:
    importlib.import_module(name)
print("matplotlib" in sys.modules)
from dvpt_monai.reports.canvas import new_figure
new_figure(1, 1)
print("matplotlib" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
