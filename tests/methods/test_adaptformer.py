"""AdaptFormer: its formula, beside the MLP."""

import pytest
import torch

from dvpt_monai import AdaptFormer, TuningError, report, tune


@pytest.mark.parametrize(("dims", "scale"), [(2, 0.1), (3, 0.7)])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, scale):
    tuned = wake(tune(vit(dims), AdaptFormer(bottleneck=4, scale=scale, layers=[0, 2])))

    class Parallel(formula):
        def mlp(self, index, x):
            own = self.tuner(f"vit.blocks.{index}.mlp")
            if index == 1:
                return super().mlp(index, x)
            hidden = (x @ own["down.weight"].T + own["down.bias"]).clamp(min=0)
            return super().mlp(index, x) + scale * (hidden @ own["up.weight"].T + own["up.bias"])

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Parallel(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(AdaptFormer())).method == 12 * (2 * 768 * 64 + 64 + 768) == 1_189_632


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bottleneck": 0}, "bottleneck must be a whole number of at least 1, not 0"),
        ({"scale": 0}, "scale must be a positive number, not 0"),
        ({"scale": True}, "scale must be a positive number, not True"),
        ({"scale": "0.1"}, "scale must be a positive number, not '0.1'"),
        ({"scale": float("inf")}, "scale must be a positive number, not inf"),
        ({"layers": 0}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"AdaptFormer: {message}"):
        AdaptFormer(**arguments)
