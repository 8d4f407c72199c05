from math import cos, pi

import pytest
import torch

from dvpt_monai.bundle import interval
from dvpt_monai.optimizers import one_cycle


def rates(steps, warmup=0.2, learning_rates=(0.1, 0.004)):
    """The learning rates of every step, one column for each group."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in learning_rates]
    optimizer = torch.optim.AdamW(groups)
    schedule = one_cycle(optimizer, steps, warmup)
    seen = []
    for _ in range(steps):
        seen.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
    return torch.tensor(seen, dtype=torch.float64)


def by_hand(steps, warmup, peak):
    """Two half waves of a cosine: from peak / 25 to the peak, and on to peak / 250,000; without a rise, the second."""
    total = max(2, steps)
    top = warmup * (total - 1) if warmup else -1  # where the peak lies, between the steps

    def rate(step):
        start, end, share = (peak / 25, peak, step / top) if step <= top else (
            peak, peak / 25e4, (step - top) / (total - 1 - top))  # fmt: skip
        return end + (start - end) / 2 * (1 + cos(pi * share))

    return [rate(step) for step in range(steps)]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10, 11, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.2, 0.5])
def test_two_half_waves_of_a_cosine(steps, warmup):
    expected = torch.tensor([by_hand(steps, warmup, peak) for peak in (0.1, 0.004)], dtype=torch.float64).T
    torch.testing.assert_close(rates(steps, warmup), expected, rtol=1e-6, atol=1e-9)


def test_monais_own_arguments_would_fail():
    """What `one_cycle` is for: OneCycleLR itself divides by zero where the rise is one step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(ZeroDivisionError):
        torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5, pct_start=0.2)
    assert rates(5).isfinite().all()


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_one_step_trains_at_all(warmup):
    assert (rates(1, warmup) > 0).all()


def test_without_a_rise_it_begins_at_the_top_and_falls():
    seen = rates(50, warmup=0.0)[:, 0]
    assert seen[0] > 0.099 and (seen.diff() < 0).all()


def test_a_training_that_goes_on_begins_a_new_cycle():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    schedule, seen = one_cycle(optimizer, 5), []
    for _ in range(12):
        seen.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert seen[5:10] == seen[:5] and seen[10:] == seen[:2]
    plain = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    with pytest.raises(ValueError, match="total steps"):
        for _ in range(6):
            plain.step()


def test_the_momentum_stays():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    schedule = one_cycle(optimizer, 10)
    for _ in range(9):
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("wanted", range(1, 12))
@pytest.mark.parametrize("epochs", range(1, 25))
def test_the_largest_interval_that_ends_with_the_last_epoch(wanted, epochs):
    found = interval(wanted, epochs)
    assert 1 <= found <= wanted and epochs % found == 0
    assert not any(epochs % larger == 0 for larger in range(found + 1, wanted + 1))
