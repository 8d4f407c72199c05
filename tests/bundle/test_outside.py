"""What comes from outside is data."""

import pytest

from dvpt_monai.bundle.outside import check_outside
from dvpt_monai.errors import BundleError

OWN = {
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
