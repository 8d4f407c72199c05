"""`network.vit.resize(size)` after tuning: every method follows to the new grid."""

import pytest
import torch

from dvpt_monai import (
    EVP,
    FullFineTuning,
    GatedVPT,
    Stack,
    TuningError,
    VisualPrompt,
    disabled,
    load_adapter,
    save_adapter,
    tune,
    untune,
)
from tests.test_contract import METHOD_SAMPLES

SMALL, LARGE = {2: (16, 24), 3: (16, 24, 16)}, {2: (32, 16), 3: (16, 32, 24)}


def sized(vit, size, method=None):
    dims = len(size)
    network = vit(dims, img_size=size, num_layers=2, depth_embedding=dims == 3)
    return network if method is None else tune(network, method)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", METHOD_SAMPLES.values(), ids=METHOD_SAMPLES)
def test_every_method_follows(vit, wake, image, method, dims):
    tuned = wake(sized(vit, SMALL[dims], method)).eval()
    x = image(tuned)
    with torch.no_grad():
        before = tuned(x)
        tuned.vit.resize(SMALL[dims])
        assert torch.equal(tuned(x), before), "the same size is the same network, bit for bit"
        tuned.vit.resize(LARGE[dims])
        built = sized(vit, LARGE[dims], method).eval()
        built.load_state_dict(tuned.state_dict())
        x = image(built)
        assert torch.equal(tuned(x), built(x)), "a network built at that size, with the same tensors"
        if method == FullFineTuning():
            return
        plain = sized(vit, SMALL[dims]).eval()
        plain.vit.resize(LARGE[dims])
        if dims == 3:  # which trains beside every method
            plain.vit.depth_embedding.copy_(tuned.vit.depth_embedding)
        with disabled(tuned):
            assert torch.equal(tuned.vit(x)[0], plain.vit(x)[0])


@pytest.mark.parametrize("pad", [3, None])
@pytest.mark.parametrize(("size", "other"), [((16, 24), (48, 40)), ((48, 40), (16, 24)), ((16, 16, 24), (32, 24, 16))])
def test_the_frame_of_a_visual_prompt_is_that_of_the_new_size(vit, wake, image, size, other, pad):
    tuned = wake(sized(vit, size, VisualPrompt(pad=pad)))
    tuned.vit.resize(other)
    built = sized(vit, other, VisualPrompt(pad=pad))
    built.load_state_dict(tuned.state_dict())
    x = image(built)
    assert torch.equal(tuned(x), built(x))
    # A frame of ones stays one: nothing of the inside, which is 0, comes into it.
    tuner = sized(vit, size, VisualPrompt(pad=pad)).vit.patch_embedding.tuner
    torch.nn.init.ones_(tuner.prompts)
    tuner.resize_grid([s // 8 for s in size], [s // 8 for s in other])
    assert float(tuner.prompts.detach().min()) == 1


@pytest.mark.parametrize("method", [VisualPrompt(), GatedVPT(), EVP(bottleneck=4)], ids=lambda m: type(m).__name__)
def test_an_adapter_saved_at_the_new_size_loads_there(vit, wake, image, tmp_path, method):
    tuned = wake(sized(vit, (16, 24), method)).eval()
    tuned.vit.resize((48, 40))
    path = save_adapter(tuned, tmp_path / "adapter.safetensors")
    plain = sized(vit, (16, 24)).eval()
    plain.vit.resize((48, 40))
    x = image(tuned)
    assert torch.equal(load_adapter(plain, path)(x), tuned(x))


def test_a_frame_that_leaves_nothing_of_the_new_size_is_refused(vit, wake, unchanged):
    tuned = wake(sized(vit, (48, 40), Stack(VisualPrompt(pad=8), GatedVPT(num_prompts=3))))
    with unchanged(tuned), pytest.raises(TuningError, match=r"border of 8 leaves nothing of an image of \(16, 24\)"):
        tuned.vit.resize((16, 24))
    assert tuned.vit.img_size == [48, 40]
    assert tuned.vit.blocks[0].tuner.start == tuned.vit.end


def test_positions_that_were_trained_and_resized_say_that_theirs_are_lost(vit, unchanged):
    tuned = sized(vit, (16, 24), FullFineTuning())
    tuned.vit.resize((32, 16))
    message = r"position_embeddings was \(1, 6, 12\) before tune\(\) and is \(1, 8, 12\).*resize\(\) back"
    with unchanged(tuned), pytest.raises(TuningError, match=message):
        untune(tuned)
    with unchanged(tuned), pytest.raises(TuningError, match=message), disabled(tuned):
        raise AssertionError("the block was entered")
    tuned.vit.resize((16, 24))
    untune(tuned)
