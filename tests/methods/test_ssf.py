"""SSF: a scale and a shift behind every operation, which fold into it."""

import copy

import pytest
import torch

from dvpt_monai import SSF, TuningError, merge, report, tune


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_the_network_computes_the_formula(vit, wake, formula, image, dims, qkv_bias):
    tuned = wake(tune(vit(dims, qkv_bias=qkv_bias), SSF()))

    class Scaled(formula):
        def behind(self, name, y):
            own = self.tuner(name)
            return own["scale"] * y + own.get("shift", 0.0) if own else y

        def patches(self, image):
            return self.behind("vit.patch_embedding.patch_embeddings", super().patches(image))

        def linear(self, name, x):
            return self.behind(name, super().linear(name, x))

        def norm(self, name, x):
            return self.behind(name, super().norm(name, x))

    x = image(tuned)
    torch.testing.assert_close(tuned.vit(x)[0], Scaled(tuned).tokens(x), rtol=1e-9, atol=1e-9)
    operations = 1 + 3 * 6 + 1  # patches; norms, qkv, out_proj and two layers of the MLP in three blocks; the last norm
    assert sum(key.endswith(".tuner.scale") for key in tuned.state_dict()) == operations
    assert sum(key.endswith(".tuner.shift") for key in tuned.state_dict()) == operations - (0 if qkv_bias else 3)
    assert not any(key.startswith("head.tuner") for key in tuned.state_dict())


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_it_merges_into_the_plain_network(vit, wake, image, dims, qkv_bias):
    plain = vit(dims, qkv_bias=qkv_bias).float()
    tuned = wake(tune(copy.deepcopy(plain), SSF()))
    merged = merge(tuned)
    assert merged.state_dict().keys() == plain.state_dict().keys()
    x = image(tuned)
    torch.testing.assert_close(merged(x), tuned(x), rtol=1e-5, atol=1e-5)


def test_layers_leave_what_is_outside_the_blocks_alone(vit):
    keys = tune(vit(), SSF(layers=[1])).state_dict().keys()
    assert {key.split(".tuner.")[0].rpartition(".")[0] for key in keys if ".tuner." in key} == {
        f"vit.blocks.1{part}" for part in ("", ".attn", ".mlp")
    }


def test_a_new_norm_behind_a_tap_trains_by_itself(vit):
    keys = tune(vit(tap=2), SSF()).state_dict().keys()
    assert not any(key.startswith("vit.norm.tuner") for key in keys)
    assert any(key.startswith("vit.patch_embedding.patch_embeddings.tuner") for key in keys)


def test_parameters_on_vit_b_16(vit_b):
    block = 768 + 3 * 768 + 768 + 768 + 3072 + 768
    assert report(vit_b(SSF())).method == 2 * (768 + 12 * block + 768) == 205_824


@pytest.mark.parametrize("layers", [[], [0, 0], [0.0], [True], 1, "01", [-1], [3]])
def test_layers_that_are_none_are_refused(vit, unchanged, layers):
    network = vit()
    with unchanged(network), pytest.raises(TuningError, match="SSF: layers "):
        tune(network, SSF(layers=layers))
