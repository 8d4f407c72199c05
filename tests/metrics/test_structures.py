"""Scores of masks against an oracle that is written from the definitions, on random and on degenerate masks."""

import itertools
import math

import numpy as np
import pytest
import torch

from dvpt_monai.errors import DataError
from dvpt_monai.metrics import StructureMeasures, measure_structures, resample
from dvpt_monai.metrics.structures import MEASURES


def surface(mask, spacing):
    """Places of the voxels that have a neighbour by a face outside of the mask, or lie at the edge of the image."""
    padded = np.pad(mask, 1)
    inside = np.ones_like(mask)
    for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
        inside &= np.roll(padded, step, axis)[(slice(1, -1),) * mask.ndim]
    return np.argwhere(mask & ~inside) * np.asarray(spacing)


def nearest(places, others):
    return np.sqrt(((places[:, None] - others[None]) ** 2).sum(-1)).min(1)


def percentile(values, share):
    ordered = np.sort(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def oracle(predicted, truth, spacing, tolerance):
    voxel = math.prod(spacing)
    volumes = [voxel * np.sum(mask) for mask in (truth, predicted, truth & predicted)]
    if not truth.any():
        return [math.nan, math.nan, math.nan, *volumes]
    dice = 2 * volumes[2] / (volumes[0] + volumes[1])
    if not predicted.any():
        return [dice, math.nan, 0.0, *volumes]
    one, other = surface(predicted, spacing), surface(truth, spacing)
    there, back = nearest(one, other), nearest(other, one)
    close = (there <= tolerance).sum() + (back <= tolerance).sum()
    return [dice, max(percentile(there, 0.95), percentile(back, 0.95)), close / (len(there) + len(back)), *volumes]


def blobs(rng, shape):
    """A mask of a few boxes; often of none, sometimes of everything."""
    mask = np.zeros(shape, bool)
    for _ in range(rng.integers(0, 4)):
        corner = [int(rng.integers(0, size)) for size in shape]
        mask[tuple(slice(start, start + int(rng.integers(1, 6))) for start in corner)] = True
    return mask | (rng.random() < 0.05)


@pytest.mark.parametrize("seed", range(40))
def test_random_masks(seed):
    rng = np.random.default_rng(seed)
    dims = 2 + seed % 2
    shape = (3, *rng.integers(1, 11, dims))
    spacing = rng.uniform(0.4, 3, dims).tolist()
    predicted, truth = (np.stack([blobs(rng, shape[1:]) for _ in range(3)]) for _ in range(2))
    seen = measure_structures(torch.from_numpy(predicted), torch.from_numpy(truth), spacing, tolerance=1.3)
    expected = [oracle(one, other, spacing, 1.3) for one, other in zip(predicted, truth, strict=True)]
    np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=1e-6)


def test_the_oracle_by_hand():
    truth, predicted = np.zeros((2, 9, 3), bool)
    truth[0, 1], predicted[3, 1] = True, True
    values = dict(zip(MEASURES, oracle(predicted, truth, (2.0, 1.0), 5.9), strict=True))
    assert values == {"dice": 0, "hd95": 6, "surface_dice": 0, "truth": 2, "predicted": 2, "overlap": 0}


def test_what_is_no_number_is_no_structure():
    truth = torch.zeros(1, 4, 4)
    truth[0, :2] = 1
    nothing = measure_structures(torch.full((1, 4, 4), math.nan), truth)
    assert nothing[0, :2].tolist()[0] == 0 and math.isnan(nothing[0, 1]) and nothing[0, 4] == 0
    assert measure_structures(truth, truth)[0, :3].tolist() == [1, 0, 1]


@pytest.mark.parametrize("spacing", [(1.0,), (0.0, 1.0), (math.nan, 1.0)])
def test_sizes_of_voxels_that_are_none(spacing):
    with pytest.raises(DataError, match="one size above 0 for each axis"):
        measure_structures(torch.ones(1, 4, 4), torch.ones(1, 4, 4), spacing)


def test_masks_of_another_shape():
    with pytest.raises(DataError, match="a channel for each structure"):
        measure_structures(torch.ones(1, 4, 4), torch.ones(2, 4, 4))


def means(cases, name, unit, of=slice(None)):
    """Of one structure, by hand; `cases` are rows of MEASURES."""
    cases = np.asarray(cases)[of]
    scored, empty = cases[cases[:, 3] > 0], cases[cases[:, 3] == 0]
    volume, whole = ("ml", 1000) if unit == "mm" else ("px", 1)

    def mean(values):
        known = values[~np.isnan(values)]
        return known.mean() if len(known) else math.nan

    return {
        f"scored_{name}": len(scored),
        f"empty_{name}": len(empty),
        f"found_{name}": sum(scored[:, 5] > 0),
        f"missed_{name}": sum(scored[:, 4] == 0),
        f"false_alarms_{name}": sum(empty[:, 4] > 0),
        f"dice_{name}": mean(cases[:, 0]),
        f"hd95_{unit}_{name}": mean(cases[:, 1]),
        f"surface_dice_{name}": mean(cases[:, 2]),
        f"false_positive_{volume}_{name}": mean(empty[:, 4]) / whole,
    }


@pytest.mark.parametrize("unit", ["mm", "px"])
@pytest.mark.parametrize("seed", range(6))
def test_what_all_cases_come_to(seed, unit):
    """Also of sets without the structure, and of one case."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 9))
    masks = rng.random((2, count, 2, 5, 6)) < 0.5
    masks[:, rng.random(count) < 0.4, 0] = False
    masks[1, :, 1] &= seed != 0  # no case has the second structure
    masks[0, rng.random(count) < 0.3] = False
    seen = torch.stack([measure_structures(*map(torch.from_numpy, pair)) for pair in zip(*masks, strict=True)])
    measures = StructureMeasures(["a", "b"], unit)
    values = measures.values(seen)
    for place, name in enumerate("ab"):
        expected = means(seen[:, place], name, unit)
        assert {key: values[key] for key in expected} == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert values["scored"] == int(masks[1].any((1, 2, 3)).sum()) and values["scored"] + values["empty"] == count
    drawn = np.random.default_rng(0).integers(count, size=(20, count))
    resampled = measures.reweighted(seen, resample(count, 20))
    for place, name in enumerate("ab"):
        for row, of in enumerate(drawn):
            expected = means(seen[:, place], name, unit, of)
            got = {key: float(resampled[key][row]) for key in expected if key in resampled}
            assert got == pytest.approx({key: expected[key] for key in got}, abs=1e-6, nan_ok=True)


def test_healthy_cases_with_false_alarms_are_told_from_perfect_ones():
    """Five perfect cases, and five healthy ones that are called ill: Dice alone is 1."""
    ill = torch.zeros(1, 8, 8)
    ill[0, 2:6, 2:6] = 1
    seen = torch.stack([measure_structures(ill, truth) for truth in [ill] * 5 + [torch.zeros(1, 8, 8)] * 5])
    values = StructureMeasures(["lesion"], "px").values(seen)
    assert values["dice_lesion"] == values["mean_dice"] == 1
    counts = {name: values[f"{name}_lesion"] for name in ("scored", "empty", "found", "missed", "false_alarms")}
    assert counts == {"scored": 5, "empty": 5, "found": 5, "missed": 0, "false_alarms": 5}
    assert values["false_positive_px_lesion"] == 16


def test_a_set_without_any_structure_has_no_dice():
    seen = torch.stack([measure_structures(torch.zeros(2, 4, 4), torch.zeros(2, 4, 4))] * 3)
    values = StructureMeasures(["a", "b"]).values(seen)
    assert math.isnan(values["mean_dice"]) and math.isnan(values["hd95_mm_a"])
    assert values["false_positive_ml_a"] == 0 and (values["scored"], values["empty"]) == (0, 3)


def test_columns_of_the_cases():
    seen = torch.arange(24.0).reshape(2, 2, 6)
    measures = StructureMeasures(["left lung", "b"])
    row = dict(zip(measures.columns, measures.of_cases(seen)[1].tolist(), strict=True))
    assert row["dice_left_lung"] == 12 and row["surface_dice_b"] == 20
    assert row["truth_ml_left_lung"] == pytest.approx(0.015) and row["predicted_ml_b"] == pytest.approx(0.022)
