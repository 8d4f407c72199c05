"""``--cache_features`` of every bundle: from the cache it trains as from images with the same draws."""

import csv

import pytest
from ignite.engine import Events

from dvpt_monai.errors import CheckpointError, TuningError, reason

LATER = {"_target_": "dvpt_monai.LoRA", "layers": [1], "rank": 2}
PATTERNS = {
    "hippocampus": ["encoder*", "decoder*", "out.*", "vit.norm.*", "!*depth_embedding"],
    "adrenal": ["head.*", "vit.norm.*", "!*depth_embedding"],
}


class Killed(BaseException):
    """Nothing that a handler would catch."""


@pytest.fixture
def train(tmp_path):
    """Train a bundle into a folder of its own; its curves."""

    def run(name, bundle, folder, kill=None, **overrides):
        where = {f"{each}_dir": str(tmp_path / folder / each) for each in ("models", "output")}
        given = {"method": LATER, "train_patterns": PATTERNS.get(name, "$None"), "cache_dtype": "float32"}
        given |= {"cache_features": 0, "batch_size": 8, **overrides}
        workflow = bundle.workflow("train", cache_dir=str(tmp_path / "features"), **where, **given)
        workflow.parser.get_parsed_content("resumption").seconds = 0  # a state at every step
        trainer = workflow.parser.get_parsed_content("train#trainer")

        def at(engine):
            if engine.state.iteration == kill:
                raise Killed

        trainer.add_event_handler(Events.STARTED, lambda e: e.add_event_handler(Events.ITERATION_COMPLETED, at))
        workflow.run()
        with open(tmp_path / folder / "output" / "curves.csv", newline="") as file:
            return [{key: float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)]

    return run


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("hippocampus", "chest", "adrenal", "lesions")]


@pytest.mark.bundle
@pytest.mark.parametrize("name", ["fundus", *SLOW])
def test_a_bundle_trains_as_from_images(request, tmp_path, train, name):
    bundle = request.getfixturevalue(name)
    cached = train(name, bundle, "cached", cache_features=2, epochs=3, val_interval=1)
    plain = train(name, bundle, "plain", epochs=3, val_interval=1, **{"train#dataloader#views": 2})
    assert len(cached) == 3
    for one, other in zip(cached, plain, strict=True):
        assert one == pytest.approx(other, abs=1e-4, nan_ok=True)
    anew = train(name, bundle, "anew", epochs=3, val_interval=1)
    assert [row != pytest.approx(other, abs=1e-4, nan_ok=True) for row, other in zip(anew, plain, strict=True)][2]
    assert len(list((tmp_path / "features").iterdir())) == 2  # of the training, and of the validation
    adapter = str(tmp_path / "cached" / "models" / "adapter.safetensors")
    bundle.run("train", "evaluate", adapter=adapter, method=LATER, train_patterns=PATTERNS.get(name, "$None"),
               output_dir=str(tmp_path / "evaluated"))  # fmt: skip
    assert (tmp_path / "evaluated" / "metrics.csv").is_file()


SIDE = {"_target_": "dvpt_monai.SideDVPT", "num_prompts": 2, "bottleneck": 3, "width": 6}


@pytest.mark.bundle
@pytest.mark.parametrize("method", [LATER, SIDE], ids=["LoRA", "SideDVPT"])
def test_volumes_that_are_read_slice_by_slice(adrenal, train, method):
    options = {"volume": "slices", "slice_step": 5, "train_patterns": "$None", "epochs": 2, "val_interval": 1}
    options["method"] = method
    cached = train("adrenal", adrenal, "cached", cache_features=2, **options)
    plain = train("adrenal", adrenal, "plain", **options, **{"train#dataloader#views": 2})
    for one, other in zip(cached, plain, strict=True):
        assert one == pytest.approx(other, abs=1e-4, nan_ok=True)


def test_a_killed_training_goes_on(fundus, tmp_path, train):
    whole = train("fundus", fundus, "whole", cache_features=2)
    with pytest.raises(Killed):
        train("fundus", fundus, "killed", kill=3, cache_features=2)
    assert train("fundus", fundus, "killed", resume="auto", cache_features=2) == whole
    with pytest.raises(Killed):
        train("fundus", fundus, "other", kill=3, cache_features=2)
    with pytest.raises(RuntimeError) as raised:
        train("fundus", fundus, "other", resume="auto", cache_features=1)
    error = reason(raised.value)
    assert isinstance(error, CheckpointError) and "has cache_features 2, this one 1; give" in str(error)


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        ({"cache_features": 2}, {}, "has cache_dtype 'float32', this one none; cache_features 2, this one none; give"),
        ({}, {"cache_features": 2}, "has cache_dtype none, this one 'float32'; cache_features none, this one 2; give"),
        ({"cache_features": 2}, {"cache_features": 2, "cache_dtype": "float16"},
         "has cache_dtype 'float32', this one 'float16'; give"),
    ],
)  # fmt: skip
def test_other_options_of_the_cache_are_named(fundus, train, then, now, message):
    with pytest.raises(Killed):
        train("fundus", fundus, "killed", kill=1, **then)
    with pytest.raises(RuntimeError) as raised:
        train("fundus", fundus, "killed", resume="auto", **now)
    error = reason(raised.value)
    assert isinstance(error, CheckpointError) and message in str(error)


def test_what_cannot_be_cached_is_refused_with_the_remedy(fundus, adrenal, train):
    with pytest.raises(RuntimeError) as raised:
        train("fundus", fundus, "all", cache_features=2, method="DVPT")
    assert isinstance(reason(raised.value), TuningError) and "layers=" in str(reason(raised.value))
    with pytest.raises(RuntimeError) as raised:
        train("adrenal", adrenal, "depth", cache_features=2, train_patterns="$None")
    assert "!*depth_embedding" in str(reason(raised.value))
