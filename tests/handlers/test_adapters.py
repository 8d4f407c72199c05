"""Adapters written by a training and read by an evaluation."""

import pytest
import torch
from ignite.engine import Engine
from safetensors.torch import load_file

from dvpt_monai import DVPT, BitFit, ViTClassifier, load_adapter, load_pretrained, read_header, save_adapter, tune
from dvpt_monai.errors import AdapterError, TuningError
from dvpt_monai.handlers import AdapterLoader, AdapterSaver

SIZES = {"in_channels": 3, "img_size": 32, "patch_size": 8, "hidden_size": 24, "mlp_dim": 48, "num_layers": 2,
         "num_heads": 2}  # fmt: skip


def network():
    return ViTClassifier(num_classes=3, **SIZES)


def evaluate(saver, *values):
    """An evaluator that reports one value of the metric after the other."""
    evaluator = Engine(lambda engine, batch: None)
    saver.attach(evaluator)
    for value in values:
        evaluator.state.metrics = {"kappa": value, "other": -value}
        evaluator.run([0])


def test_the_best_is_kept_and_of_equals_the_later(tmp_path):
    net, path = tune(network(), DVPT()), tmp_path / "new" / "adapter.safetensors"
    saver = AdapterSaver(net, path, "kappa", {"num_classes": 3})
    evaluate(saver, 0.5)
    with torch.no_grad():
        net.head.bias.fill_(7)
    evaluate(saver, 0.4)
    assert not (load_file(path)["head.bias"] == 7).any()
    evaluate(saver, 0.5)
    assert (load_file(path)["head.bias"] == 7).all()
    header = read_header(path)
    assert header["result"]["value"] == 0.5 and header["settings"] == {"num_classes": 3}
    evaluate(saver, 0.6)
    assert read_header(path)["result"]["value"] == 0.6
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_header_has_settings_and_result_apart(tmp_path):
    path, settings, result = tmp_path / "a.safetensors", {"num_classes": 3}, {"task": "grading", "phantom": True}
    scored = {**result, "metric": "kappa", "value": 0.5, "epoch": 1}
    net = tune(network(), DVPT())
    evaluate(AdapterSaver(net, path, "kappa", settings=settings, result=result), 0.5)
    assert (read_header(path)["settings"], read_header(path)["result"]) == (settings, scored)
    with pytest.warns(DeprecationWarning, match="AdapterSaver: task= is now settings= and result="):
        saver = AdapterSaver(net, path, "kappa", task={**settings, **result})
    evaluate(saver, 0.5)
    assert (read_header(path)["settings"], read_header(path)["result"]) == (settings, scored)


def test_a_metric_that_is_not_a_number_is_replaced_by_any(tmp_path):
    path = tmp_path / "a.safetensors"
    saver = AdapterSaver(tune(network(), DVPT()), path, "kappa")
    evaluate(saver, float("nan"), -0.5)
    assert read_header(path)["result"]["value"] == -0.5


def test_of_values_that_are_none_the_last_is_kept_as_the_checkpoint_is(tmp_path):
    path = tmp_path / "a.safetensors"
    net = tune(network(), DVPT())
    saver = AdapterSaver(net, path, "kappa")
    evaluate(saver, float("nan"))
    with torch.no_grad():
        net.head.bias.fill_(7)
    evaluate(saver, float("nan"))
    assert (load_file(path)["head.bias"] == 7).all() and read_header(path)["result"]["value"] is None
    evaluate(saver, 0.5, float("nan"))
    assert read_header(path)["result"]["value"] == 0.5


def test_unknown_metric_and_plain_network(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(KeyError, match="dice"):
        evaluate(AdapterSaver(tune(network(), DVPT()), path, "dice"), 0.5)
    with pytest.raises(TuningError):
        evaluate(AdapterSaver(network(), path, "kappa"), 0.5)
    assert not path.exists()


@pytest.mark.parametrize("method", [DVPT(num_prompts=3, bottleneck=2), BitFit()])
def test_loading_gives_the_network_that_was_saved(tmp_path, method):
    source = network()
    torch.save(source.vit.state_dict(), tmp_path / "vit.pt")
    # What the file gives is what was trained on: loading goes through float64 and back.
    plain = network()
    load_pretrained(plain, tmp_path / "vit.pt")
    trained = tune(plain, method)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))
    save_adapter(trained, tmp_path / "a.safetensors")

    for fresh in (network(), tune(network(), DVPT())):
        evaluator = Engine(lambda engine, batch: None)
        AdapterLoader(fresh, tmp_path / "a.safetensors", str(tmp_path / "vit.pt")).attach(evaluator)
        evaluator.run([0])
        image = torch.rand(2, 3, 32, 32)
        with torch.no_grad():
            torch.testing.assert_close(fresh.eval()(image), trained.eval()(image))
        assert fresh.tuning.method == method


def test_another_backbone_is_refused(tmp_path):
    save_adapter(tune(network(), DVPT()), tmp_path / "a.safetensors")
    torch.save(network().vit.state_dict(), tmp_path / "vit.pt")
    loader = AdapterLoader(network(), tmp_path / "a.safetensors", str(tmp_path / "vit.pt"))
    with pytest.raises(AdapterError, match="another backbone"):
        loader(Engine(lambda engine, batch: None))
    with pytest.raises(AdapterError):
        load_adapter(network(), tmp_path / "a.safetensors")
