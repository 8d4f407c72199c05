"""FPT+: its formula, what is asked of the backbone, and its refusals."""

import math

import pytest
import torch
from torch.nn import functional

from dvpt_monai import VPT, FPTPlus, LoRA, SideDVPT, Stack, TuningError, report, tune
from dvpt_monai.tuning import frozen_activations, frozen_cut

SMALL = {"num_prompts": 4, "reduction": 2, "dropout": 0.0}


@pytest.mark.parametrize(("dims", "shrink"), [(2, 1), (3, 2)])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, shrink):
    method = FPTPlus(**SMALL, depth=2, share=0.4, shrink=shrink)
    tuned = wake(tune(vit(dims, num_heads=2), method), by=0.1)

    class Beside(formula):
        def norm_by(self, x, weight, bias):
            x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, False, keepdim=True) + 1e-6)
            return x * weight + bias

        def layer(self, own, x):
            def linear(name, x):
                return x @ own[f"block.{name}.weight"].T + own[f"block.{name}.bias"]

            def norm(name, x):
                return self.norm_by(x, own[f"block.{name}.weight"], own[f"block.{name}.bias"])

            q, k, v = (self.split(part) for part in linear("attn.qkv", norm("norm1", x)).chunk(3, -1))
            read = self.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])) @ v
            x = x + linear("attn.out_proj", read.transpose(1, 2).flatten(2))
            return x + linear("mlp.linear2", self.gelu(linear("mlp.linear1", norm("norm2", x))))

        def small(self, image):
            own = self.tuner("vit.origin")
            grid = [max(1, size // shrink) for size in self.grid]
            size = [grid * patch for grid, patch in zip(grid, self.patch, strict=True)]
            low = functional.adaptive_avg_pool2d if dims == 2 else functional.adaptive_avg_pool3d
            tokens = self.cut(low(image, size)) @ own["patches.weight"].flatten(1).T + own["patches.bias"]
            tokens = tokens + own["position_embeddings"]
            return torch.cat((own["cls_token"].expand(len(image), -1, -1), tokens), 1), grid

        def answers(self, index, tokens):
            x = self.norm(f"vit.blocks.{index}.norm1", tokens)
            q, k, v = (self.split(part) for part in self.linear(f"vit.blocks.{index}.attn.qkv", x).chunk(3, -1))
            attended = self.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).mean(-2)
            order = attended.argsort(-1, descending=True)[..., : max(1, round(0.4 * self.n))]
            return [
                torch.stack([torch.stack([part[b, h, order[b, h]] for h in range(2)]) for b in range(len(tokens))])
                for part in (k, v)
            ]

        def tokens(self, image):
            tokens = self.embed(image)
            stream, grid = self.small(image)
            for index in range(self.depth):
                if index >= 1:
                    k, v = self.answers(index, tokens)
                    own = self.tuner(f"vit.beside.{index}")
                    shared = self.tuner("vit.beside.1")
                    p = own["prompts"]
                    q = self.norm_by(p, shared["fusion.norm.weight"], shared["fusion.norm.bias"])
                    q = self.split(q[None].expand(len(image), -1, -1))
                    context = (self.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])) @ v).transpose(1, 2)
                    asked = (context.flatten(2) + p) @ shared["fusion.down.weight"].T + shared["fusion.down.bias"]
                    stream = self.layer(own, torch.cat((stream, asked), 1))[:, : stream.shape[1]]
                tokens = self.block(index, tokens)
            own = self.tuner("vit.readout")
            stream = self.norm_by(stream, own["norm.weight"], own["norm.bias"]) @ own["up.weight"].T + own["up.bias"]
            patches = stream[:, 1:].transpose(1, 2).unflatten(2, grid)
            for axis, (few, many) in enumerate(zip(grid, self.grid, strict=True), start=2):
                nearest = torch.div(torch.arange(many) * few, many, rounding_mode="floor")
                patches = patches.index_select(axis, nearest)
            side = torch.cat((stream[:, :1].expand(-1, self.first, -1), patches.flatten(2).transpose(1, 2)), 1)
            return self.norm("vit.norm", tokens) + side

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Beside(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_the_rest_reads_images_and_what_the_last_half_answers(vit, image):
    tuned = tune(vit(num_layers=4), FPTPlus(**SMALL))
    assert frozen_cut(tuned) == 4
    activations = frozen_activations(tuned, image(tuned))
    kept = round(0.2 * tuned.vit.end)
    assert activations["block_2"].shape == (2, tuned.vit.end + 2 * kept, 12)
    assert activations.keys() == {"block_2", "block_3", "images"}


def test_dropout_of_the_prompts_is_awake_in_training_alone(vit, wake, image):
    tuned = wake(tune(vit(), FPTPlus(num_prompts=4, reduction=2)))
    x = image(tuned)
    with torch.no_grad():
        tuned.train()
        assert not torch.equal(tuned(x), tuned(x))
        tuned.eval()
        assert torch.equal(tuned(x), tuned(x))


def test_parameters_on_vit_b_16_are_the_papers_share(vit_b):
    layers = 6 * (12 * 96**2 + 13 * 96 + 16 * 768)
    fusion = 2 * 768 + 768 * 96 + 96
    image = 768 * 96 + 96 + 96 + 9 * 96
    assert report(vit_b(FPTPlus())).method == layers + fusion + image + 2 * 96 + 96 * 768 + 768
    assert 1.0 < report(vit_b(FPTPlus())).percent < 1.2  # 1.03 in the paper, whose head reads the side network


@pytest.mark.parametrize("other", [VPT(num_prompts=2), VPT(num_prompts=2, deep=False), SideDVPT()])
def test_methods_that_change_the_sequence_before_it_are_refused(vit, other):
    with pytest.raises(TuningError, match="FPTPlus: another method of the Stack"):
        tune(vit(), Stack(other, FPTPlus(**SMALL)))


def test_methods_that_change_the_sequence_behind_it_are_refused(vit, image):
    with pytest.raises(TuningError, match="VPT: another method of the Stack lengthens the token sequence"):
        tune(vit(), Stack(FPTPlus(**SMALL), VPT(num_prompts=2, deep=False)))
    network = tune(vit(), Stack(FPTPlus(**SMALL), VPT(num_prompts=2)))
    with pytest.raises(ValueError, match="cuts off what the blocks answer"):
        network(image(network))
    network = tune(vit(), Stack(FPTPlus(**SMALL), LoRA(rank=2)))
    assert network(image(network)).shape == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "num_prompts must be a whole number of at least 1"),
        ({"depth": 0}, "depth must be a whole number of at least 1"),
        ({"share": 0}, "share must be above 0 and at most 1, not 0"),
        ({"dropout": 1}, "dropout must be at least 0 and below 1, not 1"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"FPTPlus: {message}"):
        FPTPlus(**arguments)


def test_networks_that_do_not_fit_are_refused(vit):
    with pytest.raises(TuningError, match="FPTPlus: depth must be at most 3, the network's blocks, not 4"):
        tune(vit(), FPTPlus(depth=4))
    with pytest.raises(TuningError, match="FPTPlus: reduction 8 does not divide the width 12 of a token"):
        tune(vit(), FPTPlus())
