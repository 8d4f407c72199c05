"""What follows from the rows so far: halving, resuming, and what a failure stops."""

from collections import Counter
from dataclasses import replace

from dvpt_monai.compare import Entrant
from dvpt_monai.methods import DVPT, LoRA


def finish(study, row, value, rows=None):
    """Make all runs, each with the value that it is given, and list them in their order."""
    rows = {} if rows is None else rows
    made = []
    while ready := study.ready(rows):
        run = ready[0]
        made.append(run)
        result = value(run)
        rows[run.key] = row(run, **result) if isinstance(result, dict) else row(run, result)
    return made, rows


def rate(run):
    return run.settings["learning_rate"]


def test_halving_drops_the_worse_trials_and_ends_with_the_best(study, row):
    small = study(entrants=(Entrant(DVPT()),), trials=8, seeds=2)
    made, rows = finish(small, row, lambda run: -abs(rate(run) - 1e-3))
    search = [run for run in made if run.stage == "search"]
    assert Counter(run.fold for run in search) == {0: 8, 1: 4, 2: 2}
    by_quality = sorted((run for run in search if run.fold == 0), key=lambda run: abs(rate(run) - 1e-3))
    assert {rate(run) for run in search if run.fold == 1} == {rate(run) for run in by_quality[:4]}
    assert {rate(run) for run in search if run.fold == 2} == {rate(run) for run in by_quality[:2]}
    last = [run for run in made if run.stage == "test"]
    assert [run.seed for run in last] == [0, 1] and {rate(run) for run in last} == {rate(by_quality[0])}
    assert all(run.fold is None for run in last) and small.ready(rows) == []


def test_a_trial_that_is_better_on_one_fold_alone_loses(study, row):
    """The mean counts, not the last fold."""
    small = study(entrants=(Entrant(DVPT()),), trials=4, seeds=1)
    value = {(0, 0): 0.9, (1, 0): 0.8, (2, 0): 0.1, (3, 0): 0.2, (0, 1): 0.5, (1, 1): 0.55}
    made, _ = finish(small, row, lambda run: value.get((run.trial, run.fold), 0.0))
    best = next(run for run in made if run.trial == 0)
    assert rate(made[-1]) == rate(best)


def test_every_method_has_the_same_budget_and_the_same_folds(study, row):
    made, _ = finish(study(trials=4, seeds=3), row, lambda run: 0.5)
    count = Counter((str(run.entrant), run.stage, run.fold) for run in made)
    for method in ("DVPT", "LinearProbe"):
        assert [count[method, "search", fold] for fold in (0, 1)] == [4, 2] and count[method, "test", None] == 3
    assert len(made) == sum(study(trials=4, seeds=3).count(each) for each in study().entrants) == 18


def test_without_a_search_the_bundle_s_own_settings_train(study, row):
    made, _ = finish(study(trials=1, seeds=2), row, lambda run: 0.5)
    assert [(run.stage, dict(run.settings)) for run in made] == [("test", {})] * 4


def test_fractions_are_searched_for_themselves(study, row):
    made, _ = finish(study(trials=2, seeds=1, fractions=(0.2, 1.0)), row, lambda run: 0.5)
    assert Counter((run.fraction, run.stage) for run in made) == {
        (fraction, stage): number for fraction in (0.2, 1.0) for stage, number in (("search", 4), ("test", 2))
    }


def test_folds_score_every_fold_for_every_seed(study, row):
    made, _ = finish(study(trials=1, seeds=2, score="folds", folds=3), row, lambda run: 0.5)
    places = [(run.seed, run.fold) for run in made if str(run.entrant) == "DVPT"]
    assert places == [(seed, fold) for seed in range(2) for fold in range(3)]


def test_a_bundle_of_one_fold_searches_with_several_seeds(study, row):
    made, _ = finish(study(entrants=(Entrant(DVPT()),), trials=4, folds=1), row, lambda run: 0.5)
    places = Counter((run.seed, run.fold) for run in made if run.stage == "search")
    assert places == {(0, 0): 4, (1, 0): 2}


def test_what_an_option_gives_is_not_searched(study, row):
    fixed = study(entrants=(Entrant(DVPT(), {"learning_rate": 1e-3}),), trials=2, options={"head_learning_rate": 0.01})
    assert [run.stage for run in fixed.ready({})] == ["test"] * 3
    assert fixed.count(fixed.entrants[0]) == 3


def test_a_space_names_arguments_of_the_method_and_options_of_the_bundle(study, row, monkeypatch):
    monkeypatch.setattr(LoRA, "search", {"rank": [2], "epochs": [7], "not in this bundle": [1]})
    run = study(entrants=(Entrant(LoRA()),), trials=2).ready({})[0]
    assert run.method == LoRA(rank=2) and run.settings.keys() == {"head_learning_rate", "epochs"}
    assert run.settings["epochs"] == 7
    given = study(entrants=(Entrant(LoRA(rank=3)),), trials=2).ready({})[0]
    assert given.method == LoRA(rank=3)  # what is typed is not searched


def test_failed_trials_are_dropped_and_a_method_whose_search_failed_is_not_scored(study, row):
    def fails(run):
        broken = str(run.entrant) == "LinearProbe" or run.trial == 0
        return {"error": "TuningError: no"} if broken else 0.5

    made, rows = finish(study(trials=4, seeds=1), row, fails)
    assert [str(run.entrant) for run in made if run.stage == "test"] == ["DVPT"]
    assert 0 not in {run.trial for run in made if run.fold == 1}
    assert study(trials=4, seeds=1).ready(rows) == []


def test_a_search_of_which_one_trial_is_left_ends(study, row):
    made, _ = finish(
        study(entrants=(Entrant(DVPT()),), trials=8, seeds=1),
        row,
        lambda run: {"error": "no"} if run.trial not in (3, None) else 0.5,
    )
    assert [run.stage for run in made] == ["search"] * 8 + ["test"]


def test_the_key_of_a_run_is_what_it_trains(study):
    run = study(trials=2).ready({})[0]
    assert replace(run).key == replace(run, trial=1).key == run.key
    for change in ({"seed": 5}, {"fold": 3}, {"fraction": 0.5}, {"config": "other"}, {"options": {"epochs": 3}},
                   {"method": LoRA()}, {"settings": {"learning_rate": 1.0}}, {"stage": "folds"}):  # fmt: skip
        assert replace(run, **change).key != run.key, change
