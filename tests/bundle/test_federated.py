"""A bundle of ours as a site of federated learning: MONAI's client, which NVIDIA FLARE runs."""

import shutil

import pytest
import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.exchange_object import ExchangeObject

from dvpt_monai.errors import BundleError, reason

pytestmark = [pytest.mark.bundle, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def client(fundus, tmp_path):
    """Makes the client of a site; what the server's job sets is given by name."""
    root = shutil.copytree(fundus.root, tmp_path / fundus.root.name)
    folders = {"dataset_dir": str(fundus.data), "models_dir": str(tmp_path / "models")}
    here = {**fundus.overrides, **folders, "backbone_weights": "random", "epochs": 1}

    def make(train=(), evaluate=()):
        return MonaiAlgo(
            str(root),
            send_weight_diff=False,
            local_epochs=1,
            config_train_filename="configs/train.json",
            train_kwargs={**here, **dict(train)},
            eval_kwargs={**here, **dict(evaluate)},
        )

    return make


def test_rounds_of_training(client):
    site = client()
    site.initialize()
    before = {key: value.clone() for key, value in site.trainer.network.state_dict().items()}
    weights, changed = before, set()
    for _ in range(3):
        site.train(ExchangeObject(weights={key: value.numpy() for key, value in weights.items()}))
        weights = site.get_weights().weights
        changed |= {key for key, value in weights.items() if not torch.equal(value, before[key])}
        assert site.evaluate(ExchangeObject(weights=weights)).metrics.keys() == {"quadratic_kappa", "accuracy"}
    trained = {key for key, value in site.trainer.network.named_parameters() if value.requires_grad}
    assert changed and changed <= trained
    site.finalize()


@pytest.mark.parametrize("part", ["train", "evaluate"])
def test_what_a_server_sets_is_never_evaluated(client, part, tmp_path):
    sentinel = tmp_path / "sentinel"
    evil = f"$[open({str(sentinel)!r}, 'w').close(), torch.device('cpu')][1]"
    with pytest.raises(Exception) as raised:
        client(**{part: {"device": evil}}).initialize()
    assert isinstance(reason(raised.value), BundleError) and "device" in str(reason(raised.value))
    assert not sentinel.exists()


def test_without_the_check_it_would_be(client, monkeypatch, tmp_path):
    sentinel = tmp_path / "sentinel"
    monkeypatch.setenv("DVPT_TRUST_OVERRIDES", "1")
    client(train={"device": f"$[open({str(sentinel)!r}, 'w').close(), torch.device('cpu')][1]"}).initialize()
    assert sentinel.exists()
