"""DTL and DTL+: their formulas, and how far back gradients reach."""

import pytest
import torch

from dvpt_monai import DTL, TuningError, report, tune


@pytest.mark.parametrize("convolution", [False, True], ids=["DTL", "DTL+"])
@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, convolution):
    tuned = wake(tune(vit(dims), DTL(rank=3, start=1, convolution=convolution, beta=5.0)))

    class Beside(formula):
        def gathered(self, h):
            if not convolution:
                return h
            own = self.tuner("vit.back.1")
            patches = h[:, self.first :].unflatten(1, self.grid).movedim(-1, 1)
            conv = torch.nn.functional.conv2d if dims == 2 else torch.nn.functional.conv3d
            patches = conv(patches, own["conv.weight"], own["conv.bias"], padding=1, groups=12)
            middle = own["conv.weight"][(slice(None), 0, *[1] * dims)]
            return torch.cat(
                (h[:, : self.first] * middle + own["conv.bias"], patches.movedim(1, -1).flatten(1, dims)), 1
            )

        def blocks(self, tokens):
            h = 0
            for index in range(self.depth):
                tokens = self.block(index, tokens)
                own = self.tuner(f"vit.beside.{index}")
                h = h + tokens @ own["A"].T @ own["B"].T
                if index >= 1:
                    g = self.gathered(h)
                    tokens = tokens + g / (1 + torch.exp(-5.0 * g))
            return tokens

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Beside(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_gradients_reach_back_to_the_first_joined_block_alone(vit, wake, image):
    tuned = wake(tune(vit(num_layers=4), DTL(start=2)))
    outputs = []
    for block in tuned.vit.blocks:
        block.register_forward_hook(lambda module, inputs, output: outputs.append(output.requires_grad))
    tuned(image(tuned))
    assert outputs == [False, False, False, True]


def test_the_start_is_7_of_12_in_any_depth(vit):
    def joined(depth, **more):
        return [
            i for i, place in enumerate(tune(vit(num_layers=depth), DTL(**more)).vit.back) if hasattr(place, "tuner")
        ]

    assert joined(12) == [7, 8, 9, 10, 11]
    assert joined(24) == list(range(14, 24))
    assert joined(4, start=3) == [3]
    with pytest.raises(TuningError, match="DTL: start must be a block between 1 and 3, not 4"):
        joined(4, start=4)


def test_the_blocks_of_dtl_plus_share_one_convolution(vit):
    tuned = tune(vit(num_layers=4), DTL(convolution=True))
    assert tuned.vit.back[2].tuner.conv is tuned.vit.back[3].tuner.conv
    assert report(tuned).method == 4 * 2 * 2 * 12 + 12 * 9 + 12


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(DTL())).method == 12 * 4 * 768 == 36_864  # the paper's 0.04 M
    assert report(vit_b(DTL(convolution=True))).method == 36_864 + 10 * 768


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 0}, "rank must be a whole number of at least 1"),
        ({"start": 0}, "start must be a whole number of at least 1"),
        ({"beta": 0}, "beta must be a positive number"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"DTL: {message}"):
        DTL(**arguments)
