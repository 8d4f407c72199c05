"""Adapter: its formula, behind the attention and the MLP."""

import pytest
import torch

from dvpt_monai import Adapter, TuningError, report, tune


@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims):
    tuned = wake(tune(vit(dims), Adapter(bottleneck=4, layers=[0, 2])))

    class Adapted(formula):
        def behind(self, name, y):
            own = self.tuner(name)
            if not own:
                return y
            hidden = self.gelu(y @ own["down.weight"].T + own["down.bias"])
            return y + hidden @ own["up.weight"].T + own["up.bias"]

        def attention(self, index, x):
            return self.behind(f"vit.blocks.{index}.attn.out_proj", super().attention(index, x))

        def mlp(self, index, x):
            return self.behind(f"vit.blocks.{index}.mlp", super().mlp(index, x))

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Adapted(tuned).tokens(x), rtol=1e-9, atol=1e-9)
    assert sum(".up.weight" in key for key in tuned.state_dict()) == 4


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(Adapter())).method == 12 * 2 * (2 * 768 * 64 + 64 + 768)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bottleneck": 0}, "bottleneck must be a whole number of at least 1, not 0"),
        ({"bottleneck": True}, "bottleneck must be a whole number of at least 1, not True"),
        ({"layers": [1, 1]}, "layers must be different block numbers"),
        ({"layers": ()}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"Adapter: {message}"):
        Adapter(**arguments)
