"""The streamed area under the precision-recall curve, against scikit-learn on all pixels at once."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from sklearn.metrics import average_precision_score

from dvpt_monai.metrics import PixelAUPR, aupr_bounds, aupr_interval, average_precision

NAMES = ["MA", "EX"]


def pixels(seed, shape=(3, 2, 24, 20), prevalence=0.05, spread=1.5):
    """Masks, and probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    truth = rng.random(shape) < prevalence
    said = 1 / (1 + np.exp(-(rng.normal(-2, spread, shape) + 2.5 * truth)))
    return torch.tensor(said, dtype=torch.float32), torch.tensor(truth, dtype=torch.float32)


def exact(said, truth):
    return [average_precision_score(truth[:, c].flatten(), said[:, c].flatten()) for c in range(said.shape[1])]


def scored(said, truth, bins=4096, reduction="none"):
    metric = PixelAUPR(NAMES, reduction, bins)
    for image in range(len(said)):
        metric(said[image : image + 1], truth[image : image + 1])
    return metric


@pytest.mark.parametrize("bins", [16, 1024, 4096])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_scikit_learns_of_rounded_probabilities(seed, bins):
    said, truth = pixels(seed)
    rounded = (said.double() * bins).floor().clamp(max=bins - 1) / bins
    assert list(scored(said, truth, bins).aggregate().values()) == pytest.approx(exact(rounded, truth), abs=1e-12)


@pytest.mark.parametrize("bins", [2, 16, 1024])
@pytest.mark.parametrize("prevalence", [0.002, 0.05, 0.6])
@pytest.mark.parametrize("spread", [0.01, 1.5, 6.0])
def test_the_bounds_hold_the_exact_value(bins, prevalence, spread):
    for seed in range(5):
        said, truth = pixels(seed, prevalence=prevalence, spread=spread)
        truth[0, :, 0, 0] = 1
        counts = scored(said, truth, bins).get_buffer().sum(0)
        low, high = aupr_bounds(counts)
        for c, value in enumerate(exact(said, truth)):
            assert low[c] - 1e-9 <= value <= high[c] + 1e-9
            assert low[c] - 1e-9 <= average_precision(counts)[c] <= high[c] + 1e-9


def test_the_bounds_are_met():
    """Two bins, all in the upper one: the worst order is the sum by hand, the best is a precision of 1."""
    counts = torch.tensor([[0, 3], [0, 2]])
    low, high = aupr_bounds(counts)
    assert low.item() == pytest.approx((1 / 4 + 2 / 5) / 2) and high.item() == 1
    assert average_precision_score([0, 0, 0, 1, 1], [0.9, 0.8, 0.7, 0.6, 0.5]) == pytest.approx(low.item())


def test_more_bins_are_closer():
    said, truth = pixels(0, shape=(4, 2, 64, 64))
    gaps = []
    for bins in (32, 512, 8192):
        low, high = aupr_bounds(scored(said, truth, bins).get_buffer().sum(0))
        gaps.append(float((high - low).max()))
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] and gaps[2] < 0.03


def test_pixels_are_pooled_and_not_averaged_over_images():
    said = torch.tensor([[[0.9, 0.1]], [[0.4, 0.8]]])
    truth = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    metric = PixelAUPR(["MA"])
    metric([*said], [*truth])  # a list of images, as MONAI's engines give them
    pooled = average_precision_score([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.8])
    assert metric.aggregate().item() == pytest.approx(pooled) != (1 + 0.5) / 2


def test_a_structure_that_no_image_has_is_named_and_left_out(caplog):
    said, truth = pixels(0)
    truth[:, 0] = 0
    mean, each = (scored(said, truth, reduction=reduction) for reduction in ("mean", "none"))
    assert (
        mean.aggregate().item()
        == pytest.approx(each.aggregate()["EX"])
        == pytest.approx(exact(said, truth)[1], abs=2e-3)
    )
    assert np.isnan(each.aggregate()["MA"])
    assert "no image has a pixel of MA" in caplog.text and "EX" not in caplog.text
    assert np.isnan(scored(said, 0 * truth, reduction="mean").aggregate().item())


def test_the_ends_of_the_scale():
    said = torch.tensor([[[0.0, 1.0, 1.0, 0.0]] * 2])
    truth = torch.tensor([[[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]])
    assert scored(said, truth).aggregate() == {"MA": 1.0, "EX": 0.5}


def test_memory_does_not_grow_with_the_pixels():
    buffers = [scored(*pixels(0, shape=(2, 2, size, size))).get_buffer() for size in (8, 80)]
    assert buffers[0].shape == buffers[1].shape == (2, 2, 2, 4096)
    assert [int(buffer.sum()) for buffer in buffers] == [2 * 2 * 64, 2 * 2 * 6400]


def test_it_starts_afresh():
    metric = scored(*pixels(0))
    metric.reset()
    said, truth = pixels(1)
    metric(said, truth)
    assert list(metric.aggregate().values()) == pytest.approx(list(scored(said, truth).aggregate().values()))
    with pytest.raises(ValueError, match="no images yet"):
        PixelAUPR(NAMES).aggregate()


@pytest.mark.parametrize(
    ("said", "truth", "words"),
    [
        (torch.full((1, 2, 4), 1.5), torch.zeros(1, 2, 4), "sigmoid"),
        (torch.full((1, 2, 4), float("nan")), torch.zeros(1, 2, 4), "NaN"),
        (torch.zeros(1, 3, 4), torch.zeros(1, 3, 4), "2 structures"),
        (torch.zeros(1, 2, 4), torch.zeros(1, 2, 5), r"\(1, 2, 5\)"),
        (torch.zeros(1, 2, 4), None, "None"),
    ],
)
def test_what_cannot_be_scored(said, truth, words):
    with pytest.raises(ValueError, match=words):
        PixelAUPR(NAMES)(said, truth)


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="median"):
        PixelAUPR(NAMES, reduction="median")
    with pytest.raises(ValueError, match="bins=1"):
        PixelAUPR(NAMES, bins=1)


# --- intervals


@pytest.mark.slow
def test_intervals_are_those_of_images_drawn_by_hand():
    said, truth = pixels(0, shape=(8, 2, 12, 12), prevalence=0.1)
    counts = scored(said, truth).get_buffer()
    low, high, of_mean = aupr_interval(counts, samples=1500, seed=1)
    rng = np.random.default_rng(0)
    drawn = np.array([exact(said[pick], truth[pick]) for pick in rng.integers(0, 8, (600, 8))])
    np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975], axis=0), atol=0.03)
    np.testing.assert_allclose(of_mean, np.quantile(drawn.mean(1), [0.025, 0.975]), atol=0.03)


def test_intervals_of_one_image_and_of_an_absent_structure():
    said, truth = pixels(0, shape=(1, 2, 30, 30))
    truth[:, 0] = 0
    low, high, of_mean = aupr_interval(scored(said, truth).get_buffer(), samples=10)
    assert low[1] == high[1] == pytest.approx(of_mean[0]) and low[0].isnan()


# --- several processes


def share(rank, port, said, truth, results):
    """One of two processes, with two images of three or with one."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    results[rank] = scored(said[rank::2], truth[rank::2]).aggregate()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_add_their_histograms():
    import socket

    import torch.multiprocessing as mp

    said, truth = pixels(3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with mp.Manager() as manager:
        results = manager.dict()
        mp.spawn(share, args=(port, said, truth, results), nprocs=2)
        assert results[0] == results[1] == scored(said, truth).aggregate()
