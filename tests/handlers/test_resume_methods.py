"""Every method goes on to the bit where its training was killed."""

import pytest
import torch

from tests.handlers.test_resume import Training
from tests.test_contract import FIRST, METHOD_SAMPLES


@pytest.mark.parametrize(
    "label", [pytest.param(x, marks=[] if x in FIRST else [pytest.mark.slow]) for x in METHOD_SAMPLES]
)
def test_a_killed_training_ends_as_if_nothing_had_happened(tmp_path, label):
    whole = Training(tmp_path / "whole", method=METHOD_SAMPLES[label]).run()
    killed = Training(tmp_path / "killed", method=METHOD_SAMPLES[label]).run(5)
    again = Training(tmp_path / "killed", "auto", method=METHOD_SAMPLES[label]).run()
    assert killed.losses + again.losses == whole.losses
    assert torch.equal(again.weights, whole.weights) and len(set(whole.losses)) > 1
