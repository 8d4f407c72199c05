"""Convpass: its convolution by explicit loops over the grid."""

from itertools import product

import pytest
import torch

from dvpt_monai import VPT, Convpass, Stack, TuningError, report, tune


def convolved(z, weight, bias, first, grid):
    """Patches see their neighbours on the grid, every other token itself alone; (B, N, r)."""
    middle = weight[(..., *[1] * len(grid))]
    out = z @ middle.T + bias
    places = {place: first + index for index, place in enumerate(product(*map(range, grid)))}
    for place, row in places.items():
        out[:, row] = bias
        for offset in product((-1, 0, 1), repeat=len(grid)):
            neighbour = tuple(p + o for p, o in zip(place, offset, strict=True))
            if neighbour in places:
                kernel = weight[(..., *(o + 1 for o in offset))]
                out[:, row] += z[:, places[neighbour]] @ kernel.T
    return out


@pytest.mark.parametrize(("dims", "size"), [(2, (16, 24)), (2, (8, 40)), (3, (16, 24, 32))])
@pytest.mark.parametrize("num_registers", [0, 2])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, size, num_registers):
    network = vit(dims, img_size=size, num_registers=num_registers, num_layers=2)
    tuned = wake(tune(network, Convpass(bottleneck=3, scale=0.4, layers=[1])))

    class Bypassed(formula):
        def bypass(self, name, x):
            own = self.tuner(name)
            if not own:
                return 0.0
            z = self.gelu(x @ own["down.weight"].T + own["down.bias"])
            z = self.gelu(convolved(z, own["conv.weight"], own["conv.bias"], self.first, self.grid))
            return 0.4 * (z @ own["up.weight"].T + own["up.bias"])

        def attention(self, index, x):
            return super().attention(index, x) + self.bypass(f"vit.blocks.{index}.attn", x)

        def mlp(self, index, x):
            return super().mlp(index, x) + self.bypass(f"vit.blocks.{index}.mlp", x)

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Bypassed(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_appended_tokens_pass_as_images_of_one_pixel(vit, wake):
    tuned = wake(tune(vit(), Stack(VPT(num_prompts=4, deep=False), Convpass(bottleneck=3))))
    tuner = tuned.vit.blocks[0].mlp.tuner
    z = torch.randn(2, tuned.vit.end + 4, 3, dtype=torch.float64)
    expected = convolved(z, tuner.conv.weight.detach(), tuner.conv.bias.detach(), tuned.vit.first, tuned.vit.grid)
    torch.testing.assert_close(tuner.over_grid(z), expected)


def test_the_convolution_starts_as_the_identity(vit):
    for dims in (2, 3):
        tuner = tune(vit(dims), Convpass(bottleneck=3)).vit.blocks[0].attn.tuner
        z = torch.randn(2, 3 + 6 * (dims - 1), 3, dtype=torch.float64)
        torch.testing.assert_close(tuner.over_grid(z), z)


def test_parameters_on_vit_b_16(vit_b):
    bypass = (768 * 8 + 8) + (9 * 8 * 8 + 8) + (8 * 768 + 768)
    assert report(vit_b(Convpass())).method == 12 * 2 * bypass == 327_552


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bottleneck": 0}, "bottleneck must be a whole number of at least 1, not 0"),
        ({"bottleneck": True}, "bottleneck must be a whole number of at least 1, not True"),
        ({"scale": 0}, "scale must be a positive number, not 0"),
        ({"scale": True}, "scale must be a positive number, not True"),
        ({"layers": [0, 0]}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"Convpass: {message}"):
        Convpass(**arguments)
