"""``--resume auto`` of every bundle: a killed training ends with the same adapter as one that nothing happened to."""

import pytest
import torch
from ignite.engine import Events
from safetensors.torch import load_file

from dvpt_monai import read_header
from dvpt_monai.errors import CheckpointError, reason


class Killed(BaseException):
    """Nothing that a handler would catch."""


def train(bundle, folder, resume="never", kill=None, **overrides):
    """Train into a folder, until it is done or killed behind a step."""
    where = {"models_dir": str(folder / "models"), "output_dir": str(folder / "output"), **overrides}
    workflow = bundle.workflow("train", resume=resume, **where)
    workflow.parser.get_parsed_content("resumption").seconds = 0  # a state at every step
    trainer = workflow.parser.get_parsed_content("train#trainer")

    def at(engine):
        if engine.state.iteration == kill:
            raise Killed

    if kill is not None:
        # behind the handler that keeps the state, which is attached when the training starts
        trainer.add_event_handler(
            Events.STARTED, lambda engine: engine.add_event_handler(Events.ITERATION_COMPLETED, at)
        )
    workflow.run()
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "fundus",
        *(pytest.param(name, marks=pytest.mark.bundle) for name in ("hippocampus", "chest", "adrenal", "lesions")),
    ],
)
def test_a_killed_training_ends_as_if_nothing_had_happened(request, tmp_path, name):
    bundle = request.getfixturevalue(name)
    whole = train(bundle, tmp_path / "whole")
    with pytest.raises(Killed):
        train(bundle, tmp_path / "killed", kill=1)
    again = train(bundle, tmp_path / "killed", resume="auto")
    for file in ("output/curves.csv", "models/parts.json"):
        assert (again / file).read_text() == (whole / file).read_text()
    one, other = (load_file(folder / "models" / "adapter.safetensors") for folder in (whole, again))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    results = [read_header(folder / "models" / "adapter.safetensors")["result"] for folder in (whole, again)]
    assert results[0] == results[1]


def test_another_training_is_refused_by_name(fundus, tmp_path):
    with pytest.raises(Killed):
        train(fundus, tmp_path, kill=1)
    with pytest.raises(RuntimeError) as raised:
        train(fundus, tmp_path, resume="auto", method="LoRA")
    error = reason(raised.value)
    assert isinstance(error, CheckpointError) and "method" in str(error) and "--resume never" in str(error)
