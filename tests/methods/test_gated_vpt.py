"""GatedVPT: its gates, from prompts that stay what they were to prompts that every block rewrites."""

import pytest
import torch

from dvpt_monai import VPT, GatedVPT, TuningError, report, tune


@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims):
    tuned = wake(tune(vit(dims), GatedVPT(num_prompts=4)))

    class Gated(formula):
        def embed(self, image):
            prompts = self.tuner("vit.embed")["prompts"].expand(len(image), -1, -1)
            return torch.cat((super().embed(image), prompts), 1)

        def block(self, index, x):
            y = super().block(index, x)
            if index == self.depth - 1:
                return y
            g = 1 / (1 + torch.exp(-self.tuner(f"vit.blocks.{index}")["gate"]))
            return torch.cat((y[:, : self.n], g * y[:, self.n :] + (1 - g) * x[:, self.n :]), 1)

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Gated(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def with_gates(network, value):
    with torch.no_grad():
        for block in network.vit.blocks[:-1]:
            block.tuner.gate.fill_(value)
    return network


def test_open_gates_are_shallow_vpt(vit, wake, image):
    shallow = wake(tune(vit(), VPT(num_prompts=4, deep=False)))
    gated = tune(vit(), GatedVPT(num_prompts=4))
    gated.load_state_dict(shallow.state_dict(), strict=False)
    x = image(gated)
    torch.testing.assert_close(with_gates(gated, 50.0)(x), shallow(x), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(with_gates(gated, 0.0)(x), shallow(x), atol=1e-4)


def test_closed_gates_keep_the_prompts_as_they_entered(vit, wake, image):
    gated = with_gates(wake(tune(vit(), GatedVPT(num_prompts=4))), -800.0)
    prompts = []
    for block in gated.vit.blocks:
        block.register_forward_pre_hook(lambda module, inputs: prompts.append(inputs[0][:, gated.vit.end :]))
    gated(image(gated))
    assert len(prompts) == 3
    assert all(torch.equal(each, gated.vit.embed.tuner.prompts.expand(2, -1, -1)) for each in prompts)


def test_parameters_on_vit_b_16_and_the_start(vit_b, vit):
    assert report(vit_b(GatedVPT())).method == 50 * 768 + 11, "the last block has no gate"
    gates = [block.tuner.gate.detach().sigmoid() for block in tune(vit(), GatedVPT()).vit.blocks[:-1]]
    assert [float(gate) for gate in gates] == [0.5, 0.5]


@pytest.mark.parametrize("value", [0, -3, True, 2.0, "5", None])
def test_arguments_out_of_range_are_refused_by_name(value):
    with pytest.raises(TuningError, match="GatedVPT: num_prompts must be a whole number of at least 1"):
        GatedVPT(num_prompts=value)
