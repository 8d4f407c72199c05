"""SideDVPT: its formula, that nothing flows back through the backbone, and its refusals."""

import pytest
import torch

from dvpt_monai import DTL, LST, LoRA, SideDVPT, Stack, TuningError, attention_entropy, report, tune, untune

SMALL = {"num_prompts": 4, "bottleneck": 5, "width": 6}


@pytest.mark.parametrize("dims", [2, 3])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims):
    tuned = wake(tune(vit(dims), SideDVPT(**SMALL, temperature=0.6, layers=[2, 0])))

    class Beside(formula):
        def blocks(self, tokens):
            self.stream = 0
            for index in range(self.depth):
                tokens = self.block(index, tokens)
                own = self.tuner(f"vit.beside.{index}")
                if index == 1:
                    assert not own
                    continue
                n = (tokens - tokens.mean(-1, keepdim=True)) / torch.sqrt(tokens.var(-1, False, keepdim=True) + 1e-5)
                n = n * own["norm.weight"] + own["norm.bias"]
                z = self.gelu(n @ own["down.weight"].T + own["down.bias"])
                q = self.softmax(torch.einsum("mr,bnr->bmn", own["prompts"], z) / 0.6) @ z
                self.stream = self.stream + n @ own["from_tokens.weight"].T + own["from_tokens.bias"]
                self.stream = self.stream + (q.flatten(1) @ own["from_prompts.weight"].T)[:, None]
            return tokens

        def tokens(self, image):
            own = self.tuner("vit.readout")
            return super().tokens(image) + self.stream @ own["up.weight"].T + own["up.bias"]

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Beside(tuned).tokens(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", [SideDVPT(**SMALL), LST(reduction=2)], ids=["SideDVPT", "LST"])
@pytest.mark.parametrize("dims", [2, 3])
def test_no_activation_of_the_backbone_is_kept(vit, wake, image, method, dims):
    tuned = wake(tune(vit(dims, depth_embedding=dims == 3), method)).train()
    outputs = []
    for block in tuned.vit.blocks:
        block.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    kept = []
    x = image(tuned)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        tokens = tuned.vit.embedded(x)
        for block in tuned.vit.blocks:
            tokens = block(tokens)
        assert not kept
        output = tuned(x)
    assert kept
    assert output.requires_grad
    assert not any(tokens.requires_grad for tokens in outputs)


def test_the_same_look_at_a_method_inside_the_backbone_finds_its_activations(vit, image):
    tuned = tune(vit(), LoRA(rank=2))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        assert tuned.vit.blocks[0](tuned.vit.embedded(image(tuned))).requires_grad
    assert kept


def test_three_blocks_of_the_later_half_by_default(vit):
    def reads(depth):
        return [name for name in tune(vit(num_layers=depth), SideDVPT(**SMALL)).state_dict() if "prompts" in name]

    def named(*layers):
        return [f"vit.beside.{i}.tuner.{part}" for i in layers for part in ("prompts", "from_prompts.weight")]

    assert reads(12) == named(6, 8, 10)
    assert reads(2) == named(1)
    assert reads(1) == named(0)


def test_prompts_reach_the_output_and_two_images_give_two_attentions(vit, wake, image):
    tuned = wake(tune(vit(), SideDVPT(**SMALL))).eval()
    x = image(tuned)
    with torch.no_grad():
        before = tuned(x)
        for place in tuned.vit.beside:
            if hasattr(place, "tuner"):
                weights = place.tuner.attention(tuned.vit.embedded(x))
                place.tuner.prompts.add_(1.0)
        assert (tuned(x) - before).abs().max() > 1e-6
    assert weights.shape == (2, 4, tuned.vit.end)
    assert (weights[0] - weights[1]).abs().max() > 1e-6


def test_entropies_of_its_attention(vit, image):
    tuned = tune(vit(), SideDVPT(**SMALL))
    assert all(0 < entropy < 1 for entropy in attention_entropy(tuned, image(tuned)))
    assert len(attention_entropy(tuned, image(tuned))) == 2


def test_a_depth_embedding_stays_as_it_is_unless_it_is_named(vit):
    network = tune(vit(3, depth_embedding=True), SideDVPT(**SMALL))
    assert network.tuning.train == ("head.*",)
    assert not network.vit.depth_embedding.requires_grad
    network = tune(untune(network), SideDVPT(**SMALL), train=["head.*", "vit.depth_embedding"])
    assert network.vit.depth_embedding.requires_grad
    network = tune(untune(network), Stack(SideDVPT(**SMALL), LoRA(rank=2)))
    assert network.vit.depth_embedding.requires_grad


@pytest.mark.parametrize("other", [SideDVPT(**SMALL), LST(reduction=2), DTL()])
def test_one_side_network_alone(vit, other):
    network = vit()
    with pytest.raises(TuningError, match=f"{type(other).__name__}: another method of the Stack has a side network"):
        tune(network, Stack(SideDVPT(**SMALL), other))
    assert not any(".tuner." in key for key in network.state_dict())


def test_parameters_on_vit_b_16(vit_b):
    beside = 2 * 768 + 768 * 32 + 32 + 16 * 32 + 768 * 96 + 96 + 16 * 32 * 96
    assert report(vit_b(SideDVPT())).method == 3 * beside + 96 * 768 + 768


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "num_prompts must be a whole number of at least 1"),
        ({"bottleneck": 0.5}, "bottleneck must be a whole number"),
        ({"width": 0}, "width must be a whole number"),
        ({"temperature": 0}, "temperature must be a positive number"),
        ({"layers": [1, 1]}, "layers must be different block numbers"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"SideDVPT: {message}"):
        SideDVPT(**arguments)


def test_a_block_out_of_range_is_refused(vit):
    with pytest.raises(TuningError, match=r"SideDVPT: layers \[3\] are out of range; the network has blocks 0 to 2"):
        tune(vit(), SideDVPT(layers=[3]))
