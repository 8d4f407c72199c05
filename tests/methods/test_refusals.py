"""What methods refuse together: the network is then as it was, and the message says what would work."""

import pytest

from dvpt_monai import (
    CVPT,
    DVPT,
    EVP,
    METHODS,
    VPT,
    Adapter,
    AdaptFormer,
    BitFit,
    Convpass,
    DoRA,
    GatedVPT,
    LoRA,
    Method,
    MLPProbe,
    Stack,
    TuningError,
    VisualPrompt,
    merge,
    tune,
    untune,
)

LENGTHEN = [
    VPT(num_prompts=2, deep=False),
    GatedVPT(num_prompts=2),
    EVP(bottleneck=2),
    DVPT(num_prompts=2, bottleneck=2, aggregate="tokens"),
]
OF_INPUT = [
    *LENGTHEN,
    VPT(num_prompts=2),
    CVPT(num_prompts=2),
    VisualPrompt(pad=2),
    Adapter(bottleneck=2),
    AdaptFormer(bottleneck=2),
    Convpass(bottleneck=2),
    MLPProbe(),
]


def label(method):
    return type(method).__name__


@pytest.mark.parametrize("second", LENGTHEN, ids=label)
@pytest.mark.parametrize("first", LENGTHEN, ids=label)
def test_two_methods_that_lengthen_the_sequence_do_not_stack(vit, unchanged, first, second):
    network = vit()
    message = f"{label(second)}: another method of the Stack lengthens the token sequence already; choose one"
    with unchanged(network), pytest.raises(TuningError, match=message):
        tune(network, Stack(LoRA(rank=2), first, second))
    tune(network, Stack(first, VPT(num_prompts=2), Convpass(bottleneck=2)))


@pytest.mark.parametrize("name", [name for name in METHODS if hasattr(METHODS[name], "layers")])
def test_layers_that_the_network_lacks_are_refused_halfway_too(vit, unchanged, name):
    network = vit()
    for layers in ([3], [0, -1]):
        arguments = {"method": name, "layers": layers}
        with unchanged(network), pytest.raises(TuningError, match=rf"{name}: layers .* out of range.*blocks 0 to 2"):
            tune(network, Stack(MLPProbe(), LoRA(rank=2), Method.from_arguments(arguments)))


def test_an_attach_that_fails_on_its_second_module_leaves_no_trace(vit, unchanged):
    network = vit().train()
    # The patterns are attached one after the other, the qkv of every block before what is no linear layer.
    for method in (LoRA(rank=2, modules=["*attn.qkv", "*mlp"]), DoRA(rank=2, modules=["*attn.qkv", "*mlp"])):
        with unchanged(network), pytest.raises(TuningError, match="mlp is a MLP, not a linear layer"):
            tune(network, method)


@pytest.mark.parametrize("method", OF_INPUT, ids=label)
def test_what_computes_from_its_input_does_not_merge(vit, unchanged, method):
    tuned = tune(vit(), method)
    with unchanged(tuned), pytest.raises(TuningError, match=r"merge: \w+ computes from its input.* Keep the adapter"):
        merge(tuned)


@pytest.mark.parametrize("method", [*OF_INPUT, LoRA(rank=2), DoRA(rank=2)], ids=label)
def test_a_tuned_network_is_not_tuned_again(vit, unchanged, method):
    tuned = tune(vit(), method)
    for again in (method, BitFit()):
        with (
            unchanged(tuned),
            pytest.raises(TuningError, match=rf"already tuned with {label(method)}.*untune"),
        ):
            tune(tuned, again)
    tune(untune(tuned), method)
