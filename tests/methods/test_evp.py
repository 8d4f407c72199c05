"""EVP: its high-pass against the Fourier transform, and its prompts against the paper's formula."""

import copy

import pytest
import torch

from dvpt_monai import EVP, TuningError, report, tune
from dvpt_monai.methods.evp import low_pass


def high_passed(image, tau):
    """The image without its lowest frequencies |k| <= K, with 2 K + 1 of every axis aimed at tau^(1/dims) of it."""
    axes = tuple(range(2, image.ndim))
    low = torch.ones(image.shape[2:], dtype=torch.bool)
    for axis in axes:
        size = image.shape[axis]
        largest = max(0, round((tau ** (1 / len(axes)) * size - 1) / 2))
        kept = torch.fft.fftfreq(size, 1 / size).abs().round() <= largest
        low &= kept.view([-1 if a == axis else 1 for a in axes])
    assert 0.1 * tau < float(low.double().mean()) < 2 * tau
    spectrum = torch.fft.fftn(image, dim=axes)
    return torch.fft.ifftn(spectrum * ~low, dim=axes).real


@pytest.mark.parametrize("tau", [0.1, 0.25, 0.7])
@pytest.mark.parametrize(("dims", "size"), [(2, (24, 16)), (2, (40, 40)), (3, (16, 24, 8))])
def test_the_high_pass_is_that_of_the_fourier_transform(vit, dims, size, tau):
    tuner = tune(vit(dims, img_size=size), EVP(bottleneck=4, tau=tau)).vit.patch_embedding.tuner
    x = torch.randn(2, 2, *size, dtype=torch.float64)
    torch.testing.assert_close(tuner.high_pass(x), high_passed(x, tau), rtol=1e-10, atol=1e-10)
    assert float(tuner.high_pass(torch.ones_like(x)).abs().max()) < 1e-12, "the mean is the lowest frequency"


@pytest.mark.parametrize("dims", [2, 3])
def test_autocast_does_not_round_the_high_pass(vit, dims):
    tuner = tune(vit(dims).float(), EVP(bottleneck=4)).vit.patch_embedding.tuner
    x = 1 + 0.01 * torch.rand(2, 2, *tuner.size)
    high = tuner.high_pass(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(tuner.high_pass(x), high)
        assert float((x - tuner.lowest(x) - high).std()) > 0.1 * float(high.std()), "what autocast would make of it"


@pytest.mark.parametrize("size", [1, 7, 8, 224])
def test_the_low_pass_is_a_projection(size):
    low = low_pass(size, 0.5)
    torch.testing.assert_close(low @ low, low)
    torch.testing.assert_close(low, low.T)


@pytest.mark.parametrize(("dims", "depth_embedding"), [(2, False), (3, False), (3, True)])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, depth_embedding):
    tuned = wake(tune(vit(dims, depth_embedding=depth_embedding), EVP(bottleneck=5, tau=0.3)))

    class Explicit(formula):
        def embed(self, image):
            own = self.tuner("vit.patch_embedding")
            embedded = self.patches(image) + self.state["vit.patch_embedding.position_embeddings"]
            frequencies = self.cut(high_passed(image, 0.3)) @ own["frequencies.weight"].flatten(1).T
            self.features = embedded @ own["embedding.weight"].T + own["embedding.bias"]
            self.features = self.features + frequencies + own["frequencies.bias"]
            return super().embed(image)

        def block(self, index, x):
            own = self.tuner(f"vit.blocks.{index}")
            hidden = self.gelu(self.features @ own["tune.weight"].T + own["tune.bias"])
            prompts = hidden @ own["up.weight"].T + own["up.bias"]
            return super().block(index, torch.cat((x[:, : self.first], x[:, self.first :] + prompts), 1))

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Explicit(tuned).tokens(x), rtol=1e-9, atol=1e-9)


def test_no_frozen_block_sees_the_features(vit, wake, image):
    plain = vit()
    tuned = wake(tune(copy.deepcopy(plain), EVP(bottleneck=5)))
    plain.head.load_state_dict(tuned.head.state_dict())
    lengths = set()
    for block in tuned.vit.blocks:
        block.base.register_forward_pre_hook(lambda module, inputs: lengths.add(inputs[0].shape[1]))
    x = image(tuned)
    assert not torch.allclose(tuned(x), plain(x), atol=1e-3)
    assert lengths == {tuned.vit.end}
    with torch.no_grad():
        up = tuned.vit.blocks[0].tuner.up
        up.weight.zero_()
        up.bias.zero_()
    assert torch.equal(tuned(x), plain(x)), "the same bits, and MLP_up is one for all blocks"


def test_parameters_on_vit_b_16(vit_b):
    embedding, frequencies, tune_mlp, up = 768 * 32 + 32, 3 * 16 * 16 * 32 + 32, 12 * (32 * 32 + 32), 32 * 768 + 768
    assert report(vit_b(EVP())).method == embedding + frequencies + tune_mlp + up == 87_232


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bottleneck": 0}, "bottleneck must be a whole number of at least 1, not 0"),
        ({"bottleneck": True}, "bottleneck must be a whole number of at least 1, not True"),
        ({"tau": 0}, "tau must be between 0 and 1, not 0"),
        ({"tau": 1.0}, "tau must be between 0 and 1, not 1.0"),
        ({"tau": "0.5"}, "tau must be between 0 and 1, not '0.5'"),
        ({"tau": float("nan")}, "tau must be between 0 and 1, not nan"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises(TuningError, match=f"EVP: {message}"):
        EVP(**arguments)


def test_features_wider_than_the_tokens_are_refused(vit, unchanged):
    network = vit()
    with unchanged(network), pytest.raises(TuningError, match="EVP: bottleneck must be at most 12, the tokens' width"):
        tune(network, EVP(bottleneck=13))
    tune(network, EVP(bottleneck=12))
