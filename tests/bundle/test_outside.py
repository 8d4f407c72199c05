"""What comes from outside is data."""

import json

import pytest

from dvpt_monai.bundle.outside import check_outside, check_written_by_a_host
from dvpt_monai.errors import BundleError

OWN = {
    "width": "@network#width",
    "network": {"_target_": "dvpt_monai.UNETR"},
    "train": {"handlers": [{"_target_": "StatsHandler", "output_transform": "$monai.handlers.from_engine(['loss'])"}]},
}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"device": "$__import__('os').system('id')"}, r"device: .*evaluated"),
        ({"device": "%/tmp/evil.json::x"}, "device"),
        ({"device": "@network"}, "device"),
        ({"train#trainer#max_epochs": {"_target_": "os.system"}}, "train#trainer#max_epochs#_target_"),
        ({"train#trainer#_target_": "os.system"}, "train#trainer#_target_"),
        ({"train::trainer::_target_": "os.system"}, "_target_"),
        ({"train#dataset#data": [{"image": "a.png"}, {"image": "$open('x', 'w')"}]}, "train#dataset#data#1#image"),
        ({"train#handlers": [{"_target_": "StatsHandler", "_mode_": "debug"}]}, "_mode_"),
    ],
)
def test_what_would_be_evaluated_is_refused_by_name(given, named):
    with pytest.raises(BundleError, match=named):
        check_outside(given, OWN)


def test_plain_values_and_the_bundles_own_pass():
    check_outside(
        {
            "device": "cuda:0",
            "train#trainer#max_epochs": 3,
            "train#dataset#data": [{"image": "/scans/a $b.nii.gz", "label": 3}],
            "train#handlers": [
                {"_target_": "CheckpointLoader", "load_path": "/m.pt", "load_dict": {"model": "$@network"}},
                *OWN["train"]["handlers"],
                {"_target_": "StatsHandler", "tag": "@network::width"},  # as MONAI writes what it has parsed
            ],
        },
        OWN,
    )


def test_who_answers_for_the_values_says_so(monkeypatch):
    monkeypatch.setenv("DVPT_TRUST_OVERRIDES", "1")
    check_outside({"device": "$'cpu'"}, OWN)
    monkeypatch.setenv("DVPT_TRUST_OVERRIDES", "0")
    with pytest.raises(BundleError):
        check_outside({"device": "$'cpu'"}, OWN)


def test_what_monai_label_writes_for_several_gpus_is_checked_too(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps({**OWN, "device": "cpu"}))
    host = tmp_path / "monailabel_train.json"
    host.write_text(json.dumps({**OWN, "device": "cuda:0"}))
    check_written_by_a_host([str(host), str(tmp_path / "multi_gpu_train.json")])
    host.write_text(json.dumps({**OWN, "device": "$open('x', 'w')"}))
    with pytest.raises(BundleError, match="device"):
        check_written_by_a_host(str(host))


def test_a_program_that_runs_a_bundle_hands_over_data(fundus, tmp_path):
    """As MONAI Label does: a client's device is evaluated by the control, and refused here before anything is."""
    import monai.bundle
    from monai.bundle import ConfigParser

    from dvpt_monai.errors import reason

    sentinel = tmp_path / "sentinel"
    evil = f"$[open({str(sentinel)!r}, 'w').close(), torch.device('cpu')][1]"
    with pytest.raises(Exception) as raised:
        monai.bundle.run(config_file=fundus.config("train")[0], device=evil, dataset_dir=str(fundus.data))
    assert isinstance(reason(raised.value), BundleError) and "device" in str(reason(raised.value))
    assert not sentinel.exists()
    ConfigParser({"device": evil}).get_parsed_content("device")
    assert sentinel.exists()
