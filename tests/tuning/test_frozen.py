"""A tuned network in two parts is the network, forward and backward, in training and evaluation."""

import copy

import pytest
import torch
from monai.networks.nets import SwinUNETR
from torch import nn

from dvpt_monai import (
    DTL,
    DVPT,
    EPT,
    EVP,
    LST,
    UNETR,
    VPT,
    Adapter,
    BitFit,
    Convpass,
    FullFineTuning,
    LinearProbe,
    LoRA,
    PartialFineTuning,
    SideDVPT,
    Stack,
    TuningError,
    VisualPrompt,
    ViTClassifier,
    ViTEncoder,
    tune,
)
from dvpt_monai.tuning import from_activations, frozen_activations, frozen_cut, map_frozen
from dvpt_monai.tuning.fingerprint import fingerprint

SMALL = {"hidden_size": 12, "mlp_dim": 24, "num_heads": 2, "patch_size": 8, "dropout_rate": 0.1}
NETWORKS = {
    "vit-2d": lambda: ViTClassifier(3, pooling="cls+mean", head_dropout=0.2, in_channels=3, img_size=16,
                                    num_layers=4, num_registers=2, **SMALL),
    "vit-3d": lambda: ViTClassifier(3, pooling="mean", in_channels=1, img_size=16, num_layers=4, spatial_dims=3,
                                    **SMALL),
    "unetr-2d": lambda: UNETR(3, 2, 16, feature_size=2, spatial_dims=2, num_layers=4, **SMALL),
    "unetr-3d": lambda: UNETR(1, 2, 16, feature_size=2, num_layers=4, **SMALL),
    "encoder": lambda: ViTEncoder(in_channels=3, img_size=16, num_layers=4, taps=(1,), **SMALL),
}  # fmt: skip
LATE = [2, 3]
METHODS = {
    "attend": DVPT(layers=LATE),
    "tail": DVPT(layers=[3], aggregate="prefix", num_prompts=3),
    "EPT": EPT(num_prompts=4, layers=LATE),
    "VPT": VPT(num_prompts=3, layers=LATE),
    "LoRA": LoRA(rank=2, layers=LATE),
    "Adapter": Adapter(bottleneck=4, layers=LATE),
    "Convpass": Convpass(bottleneck=2, layers=LATE),
    "Stack": Stack(LoRA(rank=2, layers=LATE), DVPT(layers=[3])),
    "SideDVPT": SideDVPT(num_prompts=3, bottleneck=4, width=5),
    "DTL+": DTL(start=2, convolution=True),
    "LST": LST(reduction=2),
    "LinearProbe": LinearProbe(),
    "PartialFineTuning": PartialFineTuning(1),
}


def tuned(network, method):
    torch.manual_seed(0)
    made = NETWORKS[network]()
    tune(made, method)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    encoder = getattr(made, "vit", made)
    return made, torch.rand(2, encoder.in_channels, *encoder.img_size)


def flat(output):
    return torch.cat([part.flatten() for part in (output[0], *output[1])]) if isinstance(output, tuple) else output


def gradients(network, run):
    network.zero_grad()
    torch.manual_seed(1)  # of the dropout in the rest
    output = flat(run())
    if output.requires_grad:
        output.square().sum().backward()
    grads = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    return output.detach(), grads


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("label", METHODS)
@pytest.mark.parametrize("network", NETWORKS)
def test_both_parts_are_the_network(network, label, mode):
    net, x = tuned(network, METHODS[label])
    net.train(mode)
    activations = frozen_activations(net, x)
    whole, expected = gradients(net, lambda: net(x))
    parts, found = gradients(net, lambda: from_activations(net, activations))
    assert torch.equal(parts, whole)
    assert found.keys() == expected.keys() == {n for n, p in net.named_parameters() if p.requires_grad}
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_the_rest_reads_and_nothing_else():
    classifier, x = tuned("vit-2d", DVPT(layers=LATE))
    assert {k: tuple(v.shape) for k, v in frozen_activations(classifier, x).items()} == {"block_1": (2, 7, 12)}
    beside, x = tuned("vit-2d", SideDVPT(layers=[0, 2]))
    assert frozen_activations(beside, x).keys() == {"block_0", "block_2", "block_3"}
    unetr, x = tuned("unetr-2d", DVPT(layers=[3]))  # of its taps 1 and 2 both stand before the cut
    activations = frozen_activations(unetr, x)
    assert activations.keys() == {"block_1", "block_2", "images"}
    assert torch.equal(activations["images"], x)
    assert not any(value.requires_grad for value in activations.values())


def test_the_frozen_part_is_not_run_again():
    net, x = tuned("vit-2d", DVPT(layers=LATE))
    activations, output = frozen_activations(net, x), net.eval()(x)
    net.vit.patch_embedding = net.vit.blocks[0] = net.vit.blocks[1] = nn.Identity()
    assert torch.equal(from_activations(net, activations), output)
    with pytest.raises(RuntimeError):
        net(x)


@pytest.mark.parametrize("network", ["vit-2d", "unetr-3d"])
def test_activations_stay_while_the_rest_trains(network):
    net, x = tuned(network, LoRA(rank=2, layers=[3]))
    before = frozen_activations(net.train(), x)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1.0)
    net(x).square().sum().backward()
    optimizer.step()
    after = frozen_activations(net.eval(), x)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("method", "cut"),
    [
        (DVPT(layers=[3]), 3),
        (LinearProbe(), 4),
        (PartialFineTuning(2), 2),
        (DVPT(layers=[1, 3], share=2), 1),
        (SideDVPT(), 4),
        (DTL(start=2), 3),
        (DTL(start=2, convolution=True), 3),
        (Stack(LST(reduction=2), LoRA(rank=2, layers=[3])), 3),
    ],
)
def test_the_cut(method, cut):
    assert frozen_cut(tuned("vit-2d", method)[0]) == cut


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (DVPT(), r"frozen_cut: blocks\.0\.mlp.* trains, .* with DVPT; tune later blocks alone, for example layers="),
        (DVPT(num_prompts=3, aggregate="tokens", layers=LATE), r"embed.* with DVPT; choose a method with layers="),
        (VPT(num_prompts=3, deep=False), r"embed.* with VPT; choose"),
        (VisualPrompt(pad=1), r"patch_embedding.* with VisualPrompt; choose"),
        (EVP(bottleneck=2), "patch_embedding.* with EVP; choose"),
        (BitFit(), "with BitFit; choose"),
        (FullFineTuning(), "with FullFineTuning; choose"),
    ],
)
def test_nothing_stands_before_the_first_tuner(method, message):
    net, x = tuned("vit-2d", method)
    for call in (lambda: frozen_cut(net), lambda: frozen_activations(net, x)):
        with pytest.raises(TuningError, match=message):
            call()


def test_a_depth_embedding_trains_before_every_block_unless_left_out():
    def network():
        return ViTClassifier(3, in_channels=1, img_size=16, num_layers=4, spatial_dims=3, depth_embedding=True, **SMALL)

    with pytest.raises(TuningError, match=r"depth_embedding trains.*train=\[\.\.\., '!\*depth_embedding'\]"):
        frozen_cut(tune(network(), DVPT(layers=LATE)))
    assert frozen_cut(tune(network(), DVPT(layers=LATE), train=["head.*", "!*depth_embedding"])) == 2


def test_other_networks_are_refused():
    with pytest.raises(TuningError, match="is not tuned"):
        frozen_cut(NETWORKS["vit-2d"]())
    swin = SwinUNETR(1, 2, spatial_dims=2, feature_size=12, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 2))
    with pytest.raises(TuningError, match="SwinUNETR has no sequence of blocks"):
        frozen_cut(tune(swin, BitFit()))


@pytest.mark.parametrize("name", ["attend", "SideDVPT"])
def test_mapped_weights_are_the_same_weights(tmp_path, name):
    """In outputs, the fingerprint of an adapter, and a checkpoint, all to the bit; of all blocks before the cut."""
    torch.manual_seed(0)
    network = tune(NETWORKS["vit-2d"](), METHODS[name]).eval()
    plain, images = copy.deepcopy(network), torch.rand(2, 3, 16, 16)
    blocks = network.vit.blocks[: frozen_cut(network)]
    places = {name: each.data_ptr() for name, each in network.named_parameters()}
    assert map_frozen(network, tmp_path) == sum(each.nbytes for each in blocks.parameters()) > 0
    moved = {name for name, each in network.named_parameters() if each.data_ptr() != places[name]}
    assert moved == {f"vit.blocks.{name}" for name, _ in blocks.named_parameters()}
    assert not any(each.requires_grad for each in blocks.parameters())
    assert torch.equal(network(images), plain(images)) and fingerprint(network) == fingerprint(plain)
    torch.save(network.state_dict(), tmp_path / "mapped.pt")
    torch.save(plain.state_dict(), tmp_path / "plain.pt")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"mapped.pt", "plain.pt"} and abs(sizes["mapped.pt"] - sizes["plain.pt"]) < 1000
    there = torch.load(tmp_path / "mapped.pt", weights_only=True)
    assert all(torch.equal(there[key], value) for key, value in plain.state_dict().items())
    plain.load_state_dict(there)
    network.load_state_dict({key: torch.zeros_like(value) for key, value in there.items()})
    assert not network.vit.blocks[0].mlp.linear1.weight.any(), "they can be written to"


def test_nothing_is_mapped_of_a_network_that_trains_from_its_start(tmp_path):
    with pytest.raises(TuningError, match="layers="):
        map_frozen(tune(NETWORKS["vit-2d"](), BitFit()), tmp_path)
    assert list(tmp_path.iterdir()) == []
