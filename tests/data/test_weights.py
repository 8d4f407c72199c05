from collections import Counter

import numpy as np
import pytest
import torch

from dvpt_monai.data import balanced_sampler, class_weights, label_fraction
from dvpt_monai.errors import DataError


def cases_of(*counts):
    """counts[g] cases of grade g."""
    return [{"image": f"/eyes/{g}_{i}.jpg", "label": g} for g, count in enumerate(counts) for i in range(count)]


def test_rare_grades_weigh_more():
    weights = class_weights(cases_of(10, 40, 20), 3)
    torch.testing.assert_close(weights * torch.tensor([10, 40, 20]), torch.full((3,), float(weights[0] * 10)))
    assert weights.mean().item() == pytest.approx(1)
    gentle = class_weights(cases_of(10, 40), 2, power=0.5)
    assert (gentle[0] / gentle[1]).item() == pytest.approx(2)
    assert class_weights(cases_of(10, 40), 2, power=0).tolist() == [1, 1]


def test_a_grade_without_cases_is_an_error_unless_off():
    with pytest.raises(DataError, match=r"num_classes=5, but no case has a label of \[1, 4\]"):
        class_weights(cases_of(3, 0, 3, 3), 5)
    assert class_weights(cases_of(3, 0, 3, 3), 5, power=0).tolist() == [1] * 5


@pytest.mark.parametrize("label", [5, -1, 1.5, "1", None])
def test_refuses_labels_out_of_range(label):
    cases = [*cases_of(1, 1, 1, 1, 1), {"image": "odd.jpg", "label": label}]
    for function in (class_weights, balanced_sampler):
        with pytest.raises(DataError, match=r"odd\.jpg: label .* 0\.\.4"):
            function(cases, 5)


def test_takes_numpy_integers():
    cases = [{"image": f"{i}.jpg", "label": np.int64(i % 2)} for i in range(4)]
    assert class_weights(cases, 2).tolist() == [1, 1]
    assert {int(case["label"]) for case in label_fraction(cases, 0.5)} == {0, 1}


def test_the_sampler_evens_out():
    cases = cases_of(900, 100)
    drawn = Counter(cases[i]["label"] for i in balanced_sampler(cases, 3))
    assert sum(drawn.values()) == 1000
    assert abs(drawn[1] - 500) < 60
    plain = Counter(cases[i]["label"] for i in balanced_sampler(cases, 3, power=0))
    assert abs(plain[1] - 100) < 40


def test_the_sampler_repeats_with_its_seed():
    cases = cases_of(9, 1)
    assert list(balanced_sampler(cases, 2, seed=3)) == list(balanced_sampler(cases, 2, seed=3))
    assert list(balanced_sampler(cases, 2, seed=3)) != list(balanced_sampler(cases, 2, seed=4))
