"""LST: its formula, and its refusals."""

import math

import pytest
import torch

from dvpt_monai import LST, TuningError, report, tune


@pytest.mark.parametrize("num_heads", [None, 3])
@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, num_heads):
    tuned = wake(tune(vit(dims), LST(reduction=2, layers=[0, 2], num_heads=num_heads)), by=0.1)

    class Beside(formula):
        def rung(self, own, s):
            def linear(name, x):
                return x @ own[f"block.{name}.weight"].T + own[f"block.{name}.bias"]

            def norm(name, x):
                x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, False, keepdim=True) + 1e-6)
                return x * own[f"block.{name}.weight"] + own[f"block.{name}.bias"]

            def split(x):
                return x.unflatten(-1, (num_heads or self.heads, -1)).transpose(1, 2)

            q, k, v = (split(part) for part in linear("attn.qkv", norm("norm1", s)).chunk(3, -1))
            read = self.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])) @ v
            s = s + linear("attn.out_proj", read.transpose(1, 2).flatten(2))
            return s + linear("mlp.linear2", self.gelu(linear("mlp.linear1", norm("norm2", s))))

        def blocks(self, tokens):
            self.stream = torch.zeros(())
            for index in range(self.depth):
                tokens = self.block(index, tokens)
                if own := self.tuner(f"vit.beside.{index}"):
                    u = 1 / (1 + torch.exp(-own["gate"] / 0.1))
                    down = tokens @ own["down.weight"].T + own["down.bias"]
                    self.stream = self.rung(own, u * down + (1 - u) * self.stream)
            return tokens

        def tokens(self, image):
            own = self.tuner("vit.readout")
            return super().tokens(image) + self.stream @ own["up.weight"].T + own["up.bias"]

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Beside(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_rungs_beside_every_block_by_default(vit):
    assert sum("gate" in key for key in tune(vit(), LST(reduction=2)).state_dict()) == 3
    assert sum("gate" in key for key in tune(vit(), LST(reduction=2, layers=[1])).state_dict()) == 1


def test_parameters_on_vit_b_16(vit_b):
    rung = 768 * 96 + 96 + 1 + 12 * 96**2 + 13 * 96
    assert report(vit_b(LST())).method == 12 * rung + 96 * 768 + 768


def test_heads_change_no_parameter(vit):
    shapes = [{key: value.shape for key, value in tune(vit(), LST(reduction=2, num_heads=heads)).state_dict().items()}
              for heads in (None, 1, 3)]  # fmt: skip
    assert shapes[0] == shapes[1] == shapes[2]


def test_heads_that_do_not_divide_the_ladder_are_refused(vit):
    with pytest.raises(
        TuningError, match="LST: 4 heads do not divide the ladder's width of 6; give num_heads a divisor"
    ):
        tune(vit(), LST(reduction=2, num_heads=4))
    with pytest.raises(TuningError, match="LST: num_heads must be a whole number of at least 1, not 0"):
        LST(num_heads=0)


def test_a_reduction_that_does_not_divide_the_width_is_refused(vit):
    with pytest.raises(TuningError, match="LST: reduction 5 does not divide the width 12 of a token"):
        tune(vit(), LST(reduction=5))
    with pytest.raises(TuningError, match="LST: reduction must be a whole number of at least 1, not 0"):
        LST(reduction=0)
