"""tune() and what undoes, counts, merges and groups it."""

import copy
import json

import pytest
import torch
from torch import nn

from dvpt_monai import (
    DVPT,
    DVPTUNETR,
    UNETR,
    BitFit,
    DVPTViT,
    FullFineTuning,
    LinearProbe,
    Method,
    NormTuning,
    PartialFineTuning,
    Stack,
    Tuned,
    TuningError,
    ViTClassifier,
    disabled,
    merge,
    parameter_groups,
    report,
    tune,
    untune,
)
from dvpt_monai.tuning import trained_tensors

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "patch_size": 8}


def vit(**more):
    torch.manual_seed(0)
    return ViTClassifier(**{"num_classes": 3, "in_channels": 1, "img_size": 16, "num_layers": 3, **SMALL, **more})


def unetr(**more):
    torch.manual_seed(0)
    return UNETR(in_channels=1, out_channels=2, img_size=16, feature_size=2, num_layers=3, **SMALL, **more)


def conv():
    """A network without transformer and with running statistics."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 36, 2))


def training(network):
    return {key for key, value in network.state_dict(keep_vars=True).items() if value.requires_grad}


# --- what trains ------------------------------------------------------------------------------------------------------


def test_without_patterns_the_fresh_parts_train():
    assert training(tune(vit(), LinearProbe())) == {"head.weight", "head.bias"}
    assert training(tune(vit(tap=2), LinearProbe())) == {"head.weight", "head.bias", "vit.norm.weight", "vit.norm.bias"}
    decoder = {key for key in unetr().state_dict() if not key.startswith("vit.")}
    assert training(tune(unetr(), LinearProbe())) == decoder
    assert training(tune(nn.Sequential(vit()), LinearProbe())) == set(), "another network names its own parts"


def test_patterns_choose_and_exclude():
    network = tune(unetr(), LinearProbe(), train=["decoder*", "out.*", "!decoder2*"])
    assert {key.split(".")[0] for key in training(network)} == {"decoder4", "decoder3", "out"}
    assert training(tune(unetr(), LinearProbe(), train=["vit.blocks.?.norm1.bias"])) == {
        f"vit.blocks.{i}.norm1.bias" for i in range(3)
    }


def test_a_depth_embedding_always_trains():
    network = tune(vit(spatial_dims=3, depth_embedding=True), LinearProbe(), train=["head.*"])
    assert "vit.depth_embedding" in training(network)
    assert "vit.depth_embedding" in trained_tensors(network)
    assert report(network).fresh == 12 * 3 + 3 + 2 * 12


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (PartialFineTuning(2), lambda key: key.startswith(("vit.blocks.1.", "vit.blocks.2.", "vit.norm."))),
        (BitFit(), lambda key: key.endswith(".bias")),
        (NormTuning(), lambda key: ".norm" in key),
        (FullFineTuning(), lambda key: True),
    ],
    ids=["PartialFineTuning", "BitFit", "NormTuning", "FullFineTuning"],
)
def test_selective_methods_choose_exactly(method, expected):
    network = tune(vit(), method)
    keys = vit().state_dict().keys()
    assert training(network) == {key for key in keys if expected(key) or key.startswith("head.")}
    assert report(network).method == sum(
        value.numel() for key, value in vit().state_dict().items() if expected(key) and not key.startswith("head.")
    )


def test_the_last_blocks_are_those_that_are_built():
    assert "vit.blocks.1.norm1.weight" in training(tune(vit(tap=2), PartialFineTuning(1)))


@pytest.mark.parametrize("mode", [True, False])
def test_tune_and_untune_keep_the_mode(mode):
    network = tune(vit().train(mode), DVPT(num_prompts=2, bottleneck=2))
    assert network.training == mode
    assert untune(network).training == mode


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "train", "message"),
    [
        (DVPT(), ["heads.*"], r"'heads.\*' matches no parameter of ViTClassifier; it has: head, vit"),
        (DVPT(), ["head.*", "!vit.block.*"], r"'!vit.block.\*' matches no parameter"),
        (DVPT(), "head*", r"train is a list of patterns, .*not the string 'head\*'"),
        (DVPT, None, r"method must be a Method such as DVPT\(\), not type"),
        ("dvpt", None, r"method 'dvpt' is not known; did you mean DVPT\?"),
        ("Mystery", None, r"method 'Mystery' is not known; this version has AdaptFormer, Adapter, "),
        (DVPT(layers=[0, 3]), None, r"layers \[3\] are out of range; the network has blocks 0 to 2"),
        (Stack(DVPT(), DVPT(layers=[7])), None, r"layers \[7\] are out of range"),
        (PartialFineTuning(4), None, r"blocks must be between 1 and 3, the depth of ViTClassifier, not 4"),
        (PartialFineTuning(9), None, r"blocks must be between 1 and 3"),
    ],
)
@pytest.mark.parametrize("mode", [True, False])
def test_a_refusal_names_the_remedy_and_changes_nothing(method, train, message, mode, unchanged):
    network = vit()
    network.vit.blocks[1].eval()
    network.vit.cls_token.requires_grad_(False)
    network.training = mode
    with unchanged(network), pytest.raises(TuningError, match=message):
        tune(network, method, train=train)


@pytest.mark.parametrize("method", [DVPT(), DVPT(input="residual"), PartialFineTuning(), NormTuning()])
def test_a_method_that_finds_nothing_is_refused(method, unchanged):
    network = conv()
    with unchanged(network), pytest.raises(TuningError, match=f"{type(method).__name__}: Sequential has no"):
        tune(network, method, train=["3.*"])


def test_a_tuned_network_is_not_tuned_again():
    network = tune(vit(), DVPT(num_prompts=2, bottleneck=2))
    with pytest.raises(TuningError, match=r"already tuned with DVPT.*untune\(network\).*Stack\(first, second\)"):
        tune(network, BitFit())


def test_an_attribute_named_tuning_is_not_a_tuned_network():
    network = vit()
    network.tuning = "piano"
    for call in (report, merge, untune, trained_tensors):
        with pytest.raises(TuningError, match="the network is not tuned; call tune"):
            call(network)
    with pytest.raises(TuningError, match="not tuned"), disabled(network):
        pass
    assert report(tune(network, LinearProbe())).method == 0


# --- methods as values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        DVPT(layers=[0, 2], share=2),
        DVPT.released_vit(),
        PartialFineTuning(2),
        Stack(DVPT(), Stack(BitFit(), NormTuning())),
    ],
)
def test_a_method_survives_json(method):
    assert Method.from_arguments(json.loads(json.dumps(method.arguments()))) == method


def test_a_stack_is_built_from_parts_keywords_or_dictionaries():
    parts = (DVPT(layers=[1]), BitFit())
    assert Stack(*parts) == Stack(methods=parts) == Stack(methods=[method.arguments() for method in parts])
    with pytest.raises(TuningError, match="Stack needs at least one method"):
        Stack()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "Prompter"}, "method 'Prompter' is not known; this version has AdaptFormer, Adapter, BitFit"),
        ({}, "method None is not known"),
        ({"method": "DVPT", "prompts": 3}, "method DVPT: .*unexpected keyword argument 'prompts'"),
        ({"method": "DVPT", "num_prompts": 0}, "num_prompts must be a whole number of at least 1, not 0"),
        ({"method": "Stack", "methods": [{"method": "LoRa"}]}, "method 'LoRa' is not known"),
    ],
)
def test_unknown_methods_and_arguments_are_named(arguments, message):
    with pytest.raises(TuningError, match=message):
        Method.from_arguments(arguments)


# --- modes ------------------------------------------------------------------------------------------------------------


def test_an_excluded_part_of_a_matched_one_sleeps():
    network = tune(vit(dropout_rate=0.1), LinearProbe(), train=["*", "!vit.blocks.*"]).train()
    assert network.vit.patch_embedding.training
    assert not any(module.training for block in network.vit.blocks for module in block.modules())


def test_an_exclusion_of_train_does_not_reach_the_methods_choice():
    network = tune(vit(dropout_rate=0.1), FullFineTuning(), train=["head.*", "!vit.*"]).train()
    assert all(module.training for module in network.modules())
    assert training(network) == vit().state_dict().keys()


def test_a_tuned_part_of_a_larger_network_keeps_the_rule():
    inner = tune(vit(dropout_rate=0.1), DVPT(num_prompts=2, bottleneck=2))
    whole = nn.Sequential(inner, nn.Dropout(0.1)).train()
    assert whole[1].training
    assert not inner.vit.blocks[0].attn.attend.drop_weights.training
    assert inner.head.training
    whole.eval()
    assert not any(module.training for module in whole.modules())


def test_a_trained_batch_norm_moves_and_a_frozen_one_stands_still():
    x = torch.rand(4, 1, 8, 8)
    for train, moves in ((["3.*"], False), (["1.weight", "3.*"], True)):
        network = tune(conv(), LinearProbe(), train=train).train()
        network(x)
        assert (int(network[1].num_batches_tracked) == 1) == moves
        assert ("1.running_mean" in trained_tensors(network)) == moves


@pytest.mark.parametrize("method", [FullFineTuning(), BitFit()], ids=["FullFineTuning", "BitFit"])
def test_running_statistics_beside_a_chosen_parameter_return_with_it(method):
    network = conv()
    before = copy.deepcopy(network.state_dict())
    tune(network, method, train=["3.*"]).train()
    network(torch.rand(4, 1, 8, 8)).sum().backward()
    assert int(network[1].num_batches_tracked) == 1
    with disabled(network):
        assert int(network[1].num_batches_tracked) == 0
    assert int(network[1].num_batches_tracked) == 1
    untune(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


# --- disabled, untune -------------------------------------------------------------------------------------------------


def wake(network):
    with torch.no_grad():
        for value in trained_tensors(network).values():
            value.add_(torch.randn_like(value))
    return network


@pytest.mark.parametrize("method", [DVPT(num_prompts=2, bottleneck=2), FullFineTuning()])
def test_disabled_returns_after_an_error_and_inside_itself(method):
    network = wake(tune(vit().eval(), method))
    x = torch.rand(1, 1, 16, 16)
    plain = vit().eval()
    plain.head.load_state_dict(network.head.state_dict())
    y, tuners = network(x), [module for module in network.modules() if isinstance(module, Tuned)]
    with pytest.raises(RuntimeError, match="inside"), disabled(network):
        assert torch.equal(network(x), plain(x))
        with disabled(network):
            assert torch.equal(network(x), plain(x))
        assert torch.equal(network(x), plain(x))
        raise RuntimeError("inside")
    assert torch.equal(network(x), y)
    assert [module for module in network.modules() if isinstance(module, Tuned)] == tuners, "the very same ones"


def test_the_mode_chosen_inside_disabled_reaches_the_tuners():
    network = tune(vit(), DVPT(num_prompts=2, bottleneck=2)).train()
    with disabled(network):
        network.eval()
    assert not any(module.training for module in network.modules())


def test_untune_keeps_what_the_head_learned():
    network = wake(tune(vit(), DVPT(num_prompts=2, bottleneck=2)))
    head = network.head.weight.detach().clone()
    assert torch.equal(untune(network).head.weight, head)
    assert not torch.equal(head, vit().head.weight)
    assert tune(network, BitFit()) is network


# --- report -----------------------------------------------------------------------------------------------------------

# methods.md counts 85,798,656 with timm's position of CLS (768), which the encoder folds into cls_token.
VIT_B = 85_798_656 - 768


@pytest.mark.parametrize(
    ("method", "count", "percent"),
    [
        (DVPT(), 12 * 32_509, "0.455"),
        (DVPT(input="residual"), 390_108, "0.455"),
        (DVPT(aggregate="prefix"), 390_108, "0.455"),
        (DVPT(share=12), 32_509, "0.038"),
        (DVPT(aggregate="tokens", share=12), 31_509 + 76_800, "0.126"),
        (DVPT(aggregate="tokens"), 454_908, "0.530"),
        (DVPT(aggregate="tokens", share=3), 202_836, "0.236"),
        (DVPT.released_vit(), 202_836, "0.236"),
        (LinearProbe(), 0, "0.000"),
        (FullFineTuning(), VIT_B, "100.000"),
    ],
)
def test_report_gives_the_published_arithmetic_on_vit_b_16(method, count, percent):
    with torch.device("meta"):
        network = tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), method)
    counted = report(network)
    assert (counted.method, counted.backbone, counted.fresh) == (count, VIT_B, 5 * 768 + 5)
    assert counted.trainable == count + 5 * 768 + 5
    assert f"{counted.percent:.3f}" == percent
    assert counted.trainable == sum(p.numel() for p in network.parameters() if p.requires_grad)


def test_report_reads_as_a_table():
    with torch.device("meta"):
        text = str(report(tune(ViTClassifier(num_classes=5, in_channels=3, img_size=224), DVPT())))
    assert [line.split() for line in text.splitlines()] == [
        ["method", "390,108", "0.455", "%", "of", "the", "backbone"],
        ["head", "and", "decoder", "3,845"],
        ["backbone", "85,797,888"],
        ["adapter", "file", "1.58", "MB", "in", "float32"],
    ]


def test_report_of_a_network_that_trains_whole():
    assert report(tune(vit(), LinearProbe(), train=["*"])).percent == 0.0


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups_hold_every_trained_parameter_once_with_its_rate_and_decay():
    method = Stack(DVPT(num_prompts=2, bottleneck=2, share=2, aggregate="tokens"), FullFineTuning())
    network = tune(vit(num_registers=2, spatial_dims=3, depth_embedding=True), method)
    groups = parameter_groups(network, lr=1e-3, head_lr=1e-2, weight_decay=0.05)
    names = {id(value): key for key, value in reversed(network.state_dict(keep_vars=True).items())}
    grouped = [names[id(p)] for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted({names[id(p)] for p in network.parameters() if p.requires_grad})
    rate = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    decay = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert {key for key, value in rate.items() if value == 1e-2} == {"head.weight", "head.bias", "vit.depth_embedding"}
    assert set(rate.values()) == {1e-3, 1e-2}
    assert {key for key, value in decay.items() if value} == {
        key for key in decay if key.endswith(".weight") and ".norm" not in key
    }
    assert {"vit.cls_token", "vit.register_tokens", "vit.embed.tuner.prompts"} <= {k for k, v in decay.items() if not v}
    assert set(decay.values()) == {0.05, 0.0}


def test_groups_of_a_plain_network_and_of_nothing():
    assert [len(group["params"]) for group in parameter_groups(nn.Linear(2, 2), lr=0.1)] == [1, 1]
    with pytest.raises(TuningError, match=r"nothing in Linear trains; call tune\(\) first"):
        parameter_groups(nn.Linear(2, 2).requires_grad_(False), lr=0.1)


# --- the one-line constructors ----------------------------------------------------------------------------------------


def test_the_one_line_constructors_tune():
    classifier = DVPTViT(num_classes=2, in_channels=1, img_size=16, num_layers=2, method=DVPT(num_prompts=3), **SMALL)
    assert classifier.tuning.method == DVPT(num_prompts=3)
    segmenter = DVPTUNETR(in_channels=1, out_channels=2, img_size=16, num_layers=3, feature_size=2, **SMALL)
    assert segmenter.tuning.method == DVPT()
    state = ViTClassifier(num_classes=2, in_channels=1, img_size=16, num_layers=2, **SMALL).state_dict()
    loaded = DVPTViT(state, num_classes=2, img_size=16, num_heads=2)
    assert torch.equal(loaded.vit.cls_token, state["vit.cls_token"])
    assert loaded.receipt.layout == "monai"
