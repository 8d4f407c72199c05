"""CVPT: a cross-attention beside the self-attention, which it leaves as it is."""

import copy

import pytest
import torch
from torch import nn

from dvpt_monai import CVPT, TuningError, report, tune


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, qkv_bias):
    tuned = wake(tune(vit(dims, qkv_bias=qkv_bias), CVPT(num_prompts=4, layers=[0, 2])), by=1.0)

    class Crossed(formula):
        def attend(self, index, q, k, v):
            own = super().attend(index, q, k, v)
            if index == 1:
                return own
            name = f"vit.blocks.{index}.attn"
            _, keys, values = (
                self.split(part) for part in self.linear(f"{name}.qkv", self.tuner(name)["prompts"]).chunk(3, -1)
            )
            return own + super().attend(index, q, keys, values)

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Crossed(tuned).tokens(x), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(tuned.vit(x)[0], formula(tuned).tokens(x), atol=1e-3)


def test_without_the_cross_term_the_network_is_the_plain_one(vit, image):
    # Prompts of zeros have values of zeros where the projections have no bias. As tokens of the sequence they would
    # still take their share of every row's softmax.
    plain = vit(qkv_bias=False)
    tuned = tune(copy.deepcopy(plain), CVPT(num_prompts=4))
    for block in tuned.vit.blocks:
        nn.init.zeros_(block.attn.tuner.prompts)
    x = image(plain)
    torch.testing.assert_close(tuned(x), plain(x), rtol=1e-12, atol=1e-12)


def test_prompts_live_in_the_attention_alone(vit, image):
    tuned = tune(vit(), CVPT(num_prompts=4))
    lengths = set()
    for block in tuned.vit.blocks:
        for part in (block, block.norm1, block.mlp):
            part.register_forward_hook(lambda module, inputs, output: lengths.add(output.shape[1]))
    tuned(image(tuned))
    assert lengths == {tuned.vit.end}


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(CVPT())).method == 12 * 20 * 768


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "num_prompts must be a whole number of at least 1, not 0"),
        ({"num_prompts": True}, "num_prompts must be a whole number of at least 1, not True"),
        ({"layers": [2, 2]}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"CVPT: {message}"):
        CVPT(**arguments)
