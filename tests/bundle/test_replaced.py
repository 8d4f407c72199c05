"""A training says what it is about to replace."""

import logging

from dvpt_monai import DVPT, ViTClassifier, save_adapter, tune
from dvpt_monai.bundle import warn_of_replacing

SMALL = {"in_channels": 1, "img_size": 16, "patch_size": 8, "hidden_size": 8, "mlp_dim": 8, "num_layers": 1}


def test_an_adapter_and_its_score_are_named(tmp_path, caplog):
    network = tune(ViTClassifier(num_classes=2, num_heads=1, **SMALL), DVPT())
    save_adapter(network, tmp_path / "adapter.safetensors", result={"metric": "accuracy", "value": 0.75})
    with caplog.at_level(logging.WARNING):
        warn_of_replacing(tmp_path)
    assert "(accuracy 0.750) will be replaced" in caplog.text and "--models_dir" in caplog.text


def test_a_damaged_adapter_is_named_without_a_score(tmp_path, caplog):
    (tmp_path / "adapter.safetensors").write_bytes(b"no adapter")
    with caplog.at_level(logging.WARNING):
        warn_of_replacing(tmp_path)
    assert "adapter.safetensors will be replaced" in caplog.text


def test_nothing_is_said_of_an_empty_folder(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of_replacing(tmp_path)
        warn_of_replacing(tmp_path / "none")
    assert caplog.text == ""


def test_a_training_that_goes_on_replaces_its_own(tmp_path, caplog):
    (tmp_path / "adapter.safetensors").write_bytes(b"of this training")
    with caplog.at_level(logging.WARNING):
        warn_of_replacing(tmp_path, "auto")
    assert "will be replaced" in caplog.text, "there is no state to go on from"
    caplog.clear()
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume" / "state_1_1_1.pt").touch()
    with caplog.at_level(logging.WARNING):
        warn_of_replacing(tmp_path, "auto")
        warn_of_replacing(tmp_path, str(tmp_path / "state.pt"))
    assert caplog.text == ""
    warn_of_replacing(tmp_path, "never")
    assert "will be replaced" in caplog.text
