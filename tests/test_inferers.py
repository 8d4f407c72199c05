import pytest
import torch
from monai.inferers import SimpleInferer, SlidingWindowInferer
from torch import nn

from dvpt_monai.inferers import Autocast


class Pair(nn.Module):
    """Several outputs, and a note of the precision that it computed in."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.seen = None

    def forward(self, x):
        y = self.layer(x)
        self.seen = y.dtype
        return {"y": y, "parts": (y, [y])}


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_computes_in_the_precision_and_gives_float32(name, dtype):
    network = Pair()
    output = Autocast(SimpleInferer(), name)(torch.rand(2, 4), network)
    assert network.seen == dtype
    assert {output["y"].dtype, output["parts"][0].dtype, output["parts"][1][0].dtype} == {torch.float32}


def test_float32_changes_nothing():
    network, x = nn.Linear(4, 4), torch.rand(2, 4)
    assert torch.equal(Autocast(SimpleInferer())(x, network), network(x))


def test_gradients_pass():
    network = nn.Linear(4, 4)
    Autocast(SimpleInferer(), "bfloat16")(torch.rand(2, 4), network).sum().backward()
    assert network.weight.grad.dtype == torch.float32 and network.weight.grad.abs().sum() > 0


def test_around_a_sliding_window():
    network = nn.Conv3d(1, 2, 3, padding=1)
    window = SlidingWindowInferer((8, 8, 8), 2, 0.5, mode="gaussian")
    x = torch.rand(1, 1, 12, 9, 8)
    low, full = (Autocast(window, name)(x, network) for name in ("bfloat16", "float32"))
    assert low.dtype == torch.float32 and low.shape == (1, 2, 12, 9, 8)
    torch.testing.assert_close(low, full, rtol=0.05, atol=0.05)


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="float16"):
        Autocast(SimpleInferer(), "float16")
