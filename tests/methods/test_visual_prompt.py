"""VisualPrompt: a frame around the image that leaves its inside alone."""

import pytest
import torch

from dvpt_monai import UNETR, TuningError, VisualPrompt, report, tune


def border(size, pad):
    """Whether each pixel belongs to the frame, said pixel by pixel."""
    axes = [[i < pad or i >= axis - pad for i in range(axis)] for axis in size]
    inside = torch.zeros(size, dtype=torch.bool)
    for axis, flags in enumerate(axes):
        inside |= torch.tensor(flags).view([-1 if a == axis else 1 for a in range(len(size))])
    return inside


@pytest.mark.parametrize("dims", [2, 3])
def test_the_backbone_sees_the_image_in_a_learned_frame(vit, wake, formula, image, dims):
    plain = vit(dims)
    tuned = wake(tune(vit(dims), VisualPrompt(pad=3)))
    seen = []
    tuned.vit.patch_embedding.base.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = image(tuned)
    tokens = tuned.vit(x)[0]
    frame = border(x.shape[2:], 3)
    delta = seen[0] - x
    assert torch.equal(seen[0][..., ~frame], x[..., ~frame]), "the inside is untouched, bit for bit"
    torch.testing.assert_close(delta[0], delta[1])
    torch.testing.assert_close(delta[0][:, frame], tuned.vit.patch_embedding.tuner.prompts.detach())
    assert float(delta[..., frame].detach().abs().min()) > 0
    torch.testing.assert_close(tokens, formula(plain).tokens(x + delta), rtol=1e-9, atol=1e-9)


def test_the_decoder_sees_the_image_without_it():
    sizes = {"patch_size": 8, "hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "num_layers": 3, "feature_size": 2}
    network = tune(UNETR(in_channels=1, out_channels=2, img_size=16, spatial_dims=2, **sizes), VisualPrompt(pad=2))
    torch.nn.init.ones_(network.vit.patch_embedding.tuner.prompts)
    seen = []
    network.encoder1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(x := torch.rand(1, 1, 16, 16))
    assert torch.equal(seen[0], x)


@pytest.mark.parametrize(("size", "pad"), [(16, 2), (224, 30), (448, 60), ((224, 448), 30)])
def test_the_default_frame_is_the_papers_30_at_224_in_proportion(vit, size, pad):
    tuner = tune(vit(img_size=size), VisualPrompt()).vit.patch_embedding.tuner
    assert tuner.prompts.shape == (2, int(border(tuple(tuner.size), pad).sum()))


def test_parameters_on_vit_b_16(vit_b):
    assert report(vit_b(VisualPrompt())).method == 3 * (224**2 - 164**2) == 69_840


@pytest.mark.parametrize("value", [0, -1, True, 1.5])
def test_arguments_out_of_range_are_refused_by_name(value):
    with pytest.raises(TuningError, match="VisualPrompt: pad must be a whole number of at least 1"):
        VisualPrompt(pad=value)


def test_a_frame_that_leaves_no_image_is_refused(vit, unchanged):
    network = vit()
    with unchanged(network), pytest.raises(TuningError, match=r"a border of 8 leaves nothing of .*give pad=7 or less"):
        tune(network, VisualPrompt(pad=8))
    tune(network, VisualPrompt(pad=7))
