import pytest
import torch
from monai.data import MetaTensor
from torch.nn import functional as F

from dvpt_monai.errors import DataError
from dvpt_monai.losses import OrdinalLoss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 5, generator=generator), torch.tensor([0, 4, 2, 1, 3, 0])


def test_the_formula(batch):
    logits, grades = batch
    weight = [1.0, 5.0, 1.0, 2.0, 3.0]
    expected = sum(c * logits.softmax(1)[:, c] for c in range(5))
    distance = ((expected - grades) ** 2).mean() / 16
    entropy = F.cross_entropy(logits, grades, torch.tensor(weight), label_smoothing=0.1)
    loss = OrdinalLoss(5, weight, distance=2.5, label_smoothing=0.1)(logits, grades)
    torch.testing.assert_close(loss, entropy + 2.5 * distance)


def test_without_distance_it_is_cross_entropy(batch):
    torch.testing.assert_close(OrdinalLoss(5, distance=0)(*batch), F.cross_entropy(*batch))


def test_far_errors_cost_more_than_near_ones_only_with_distance():
    logits = 8 * torch.eye(5)  # row c is sure of grade c
    truth = torch.tensor([0])
    ordinal = [OrdinalLoss(5)(logits[[c]], truth).item() for c in range(5)]
    assert ordinal == sorted(ordinal)
    assert ordinal[4] - ordinal[1] > 0.9
    plain = [OrdinalLoss(5, distance=0)(logits[[c]], truth).item() for c in range(1, 5)]
    assert max(plain) - min(plain) < 1e-5


def test_every_form_of_label_gives_the_same(batch):
    logits, grades = batch
    loss = OrdinalLoss(5)
    expected = loss(logits, grades)
    for form in (
        grades[:, None],
        F.one_hot(grades, 5),
        F.one_hot(grades, 5).float(),
        grades.float(),
        MetaTensor(grades),
    ):
        torch.testing.assert_close(torch.as_tensor(loss(logits, form)), expected)


def test_five_labels_for_five_grades_are_grades(batch):
    """A batch as long as the grades are many is not one-hot."""
    logits, grades = batch
    torch.testing.assert_close(
        OrdinalLoss(5, distance=0)(logits[:5], grades[:5]), F.cross_entropy(logits[:5], grades[:5])
    )


def test_the_gradient_is_finite_and_half_precision_is_computed_in_full(batch):
    logits, grades = batch
    logits = (logits * 50).requires_grad_()
    OrdinalLoss(5)(logits, grades).backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad != 0).any()
    with torch.autocast("cpu", torch.bfloat16):
        half = OrdinalLoss(5)(logits.detach().bfloat16(), grades)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, OrdinalLoss(5)(logits.detach().bfloat16().float(), grades))


@pytest.mark.parametrize(
    ("grades", "message"),
    [
        (torch.tensor([0, 5]), r"no integers in 0\.\.4"),
        (torch.tensor([0, -1]), r"no integers in 0\.\.4"),
        (torch.tensor([0, 1.5]), r"no integers in 0\.\.4"),
        (torch.tensor([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]), "nor one-hot"),
        (torch.zeros(2, 5), "nor one-hot"),
        (torch.tensor([0, 1, 2]), r"grades of shape \(3,\)"),
        (torch.zeros(2, 4), r"expected \(2,\), \(2, 1\) or one-hot \(2, 5\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(grades, message):
    with pytest.raises(DataError, match=message):
        OrdinalLoss(5)(torch.zeros(2, 5), grades)


def test_logits_that_do_not_fit_are_refused():
    for shape in ((2, 4), (2, 5, 1)):
        with pytest.raises(DataError, match="logits of shape"):
            OrdinalLoss(5)(torch.zeros(shape), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_classes": 1},
        {"num_classes": 5, "distance": -1},
        {"num_classes": 5, "label_smoothing": 1.5},
        {"num_classes": 5, "weight": [1.0, 2.0]},
        {"num_classes": 2, "weight": [1.0, -2.0]},
    ],
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="OrdinalLoss"):
        OrdinalLoss(**arguments)
