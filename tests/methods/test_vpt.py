"""VPT: where its prompts go, and that those of one block never reach the next."""

import math

import pytest
import torch

from dvpt_monai import VPT, TuningError, report, tune


@pytest.mark.parametrize("dims", [2, 3])
def test_deep_prompts_enter_a_block_and_leave_with_it(vit, wake, formula, image, dims):
    tuned = wake(tune(vit(dims), VPT(num_prompts=4, layers=[0, 2])))

    class Deep(formula):
        def block(self, index, x):
            if index == 1:
                return super().block(index, x)
            prompts = self.tuner(f"vit.blocks.{index}")["prompts"].expand(len(x), -1, -1)
            return super().block(index, torch.cat((prompts, x), 1))[:, 4:]

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Deep(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_no_block_sees_the_prompts_of_another(vit, wake, image):
    tuned = wake(tune(vit(), VPT(num_prompts=4)))
    lengths = []
    for block in tuned.vit.blocks:
        block.register_forward_hook(
            lambda module, inputs, output: lengths.append((inputs[0].shape[1], output.shape[1]))
        )
        block.base.register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    tuned(image(tuned))
    n = tuned.vit.end
    assert lengths == [n + 4, (n, n)] * 3


def test_shallow_prompts_are_the_papers_behind_cls(vit, wake, formula, image):
    tuned = wake(tune(vit(), VPT(num_prompts=4, deep=False)))

    class BehindCLS(formula):
        def embed(self, image):
            tokens = super().embed(image)
            prompts = self.tuner("vit.embed")["prompts"].expand(len(tokens), -1, -1)
            return torch.cat((tokens[:, :1], prompts, tokens[:, 1:]), 1)

    x = image(tuned)
    expected = BehindCLS(tuned).tokens(x)
    order = [0, *range(5, expected.shape[1]), 1, 2, 3, 4]
    torch.testing.assert_close(tuned.vit(x)[0], expected[:, order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "count"),
    [(VPT(), 12 * 10 * 768), (VPT(deep=False), 50 * 768), (VPT(num_prompts=7, layers=[3, 5]), 2 * 7 * 768)],
)
def test_parameters_on_vit_b_16(vit_b, method, count):
    assert report(vit_b(method)).method == count


@pytest.mark.parametrize("deep", [True, False])
def test_prompts_are_drawn_by_xaviers_rule_of_the_patch_embedding(vit, deep):
    tuned = tune(vit(), VPT(num_prompts=400, deep=deep, layers=[1] if deep else None))
    prompts = (tuned.vit.blocks[1] if deep else tuned.vit.embed).tuner.prompts.detach()
    limit = math.sqrt(6 / (2 * 8 * 8 + 12))
    assert float(prompts.abs().max()) == pytest.approx(limit, rel=0.01)
    assert float(prompts.std()) == pytest.approx(limit / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "num_prompts must be a whole number of at least 1, not 0"),
        ({"num_prompts": True}, "num_prompts must be a whole number of at least 1, not True"),
        ({"layers": []}, "layers must be different block numbers"),
        ({"layers": [0, 0]}, "layers must be different block numbers"),
        ({"layers": [0], "deep": False}, "layers is for deep=True"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"VPT: {message}"):
        VPT(**arguments)
