import json
from dataclasses import replace

import numpy as np
import pytest

from dvpt_monai.compare.compare import Comparison
from dvpt_monai.compare.printed import recommendation
from dvpt_monai.compare.recommend import advice, chances, choice, recommended
from dvpt_monai.compare.runs import add_row
from dvpt_monai.compare.scores import Scores
from dvpt_monai.errors import DataError

random = np.random.default_rng(0)
CASES = random.normal(0, 0.05, 1000)
"""What the resamples of the cases do to every method alike."""


def of(name, mean, spread=0.0, trained=100, cases=50):
    values = mean + CASES + random.normal(0, spread, 1000) if spread else mean + CASES
    row = {
        "task": "eyes",
        "stage": "folds",
        "options": "{}",
        "settings": "{}",
        "arguments": json.dumps({"method": name}),
        "trained_parameters": str(trained),
        "method_parameters": "1",
        "memory_mb": "",
        "seconds": "",
    }
    return Scores(name, 1.0, "kappa", {0: mean}, {0: values}, cases, 40, row)


def test_a_paired_lead_is_sure_however_wide_the_intervals():
    [first, second] = chances([of("LinearProbe", 0.70), of("DVPT", 0.75)])
    assert (first.scores.method, first.best, second.best, second.near) == ("DVPT", 1.0, 0.0, 0.0)
    assert advice([first, second]) == "Take DVPT: it is the best in 100% of the resamples of 50 cases and 1 seed"


def test_that_few_cases_decide_little_is_said():
    few = chances([of("LinearProbe", 0.70, cases=9), of("DVPT", 0.75, cases=9)])
    assert advice(few).endswith("of the resamples of 9 cases and 1 seed; so few cases decide little")


def test_of_level_methods_the_one_that_trains_least():
    ranked = chances(
        [of("DVPT", 0.750, 0.001, 1000), of("LoRA", 0.749, 0.001, 500), of("LinearProbe", 0.60, trained=10)]
    )
    assert (
        "Take LoRA: it is within 0.01 of the best in 100% of the resamples of 50 cases and 1 seed, as DVPT"
        in advice(ranked)
    )


def test_a_draw_is_shared_and_the_one_that_trains_least_is_taken():
    first, second = chances([of("DVPT", 0.75, trained=1000), of("LinearProbe", 0.75, trained=10)])
    assert (first.best, second.best) == (0.5, 0.5)
    text = advice([first, second])
    assert text.startswith("Take LinearProbe: ") and text.endswith(
        "as DVPT, and trains the least of these, which are level"
    )


LEVEL = [of("DVPT", 0.750, 0.001, 1000), of("LoRA", 0.749, 0.001, 500), of("LinearProbe", 0.60, trained=10)]
SEVERAL = {
    "level": (LEVEL, "LoRA", "DVPT"),
    "a draw": ([of("DVPT", 0.75, trained=1000), of("LinearProbe", 0.75, trained=10)], "LinearProbe", "DVPT"),
    "a draw of equals": ([of("EPT", 0.75), of("DVPT", 0.75)], "DVPT", "EPT"),
    "sure": ([of("LinearProbe", 0.70, trained=10), of("DVPT", 0.75)], "DVPT", "DVPT"),
    "open": ([of("LoRA", 0.745, 0.05), of("DVPT", 0.75, 0.05)], None, "DVPT"),
}
"""Methods, which of them is taken, where that is decided, and which has the highest score, the first of several."""


@pytest.mark.parametrize("name", SEVERAL)
def test_compare_and_recommend_name_the_same_method(name, tmp_path):
    """Also in another order, as several processes finish; where several are level that is not the highest score."""
    several, taken, highest = SEVERAL[name]
    assert max(several, key=lambda each: each.value).method == highest
    [text] = {advice(chances(order)) for order in (several, several[::-1])}
    named = choice(chances(several)).scores.method
    assert taken in (named, None) and (text.startswith(f"Take {named}: ") if taken else f"decided: {named} " in text)
    shown = Comparison(tmp_path, tmp_path, several, []).table()
    assert f"{text}.\nWith the settings of {named}:\n" in shown and shown.count(f"--method {named}") == 1
    assert ("which are level" in shown) == (name in ("level", "a draw", "a draw of equals"))


def test_two_that_no_resample_tells_apart_are_named(tmp_path):
    """As where an option is misspelled into nothing; a score that never varies tells nothing."""
    drawn = np.random.default_rng(0).normal(0.75, 0.01, 1000)
    one, other, third = (replace(of(name, 0.75), resampled={0: drawn.copy()}) for name in ("DVPT", "LoRA", "EPT"))
    third.resampled[0][0] += 0.01
    shown = Comparison(tmp_path, tmp_path, [one, other, third], []).table()
    assert "DVPT and LoRA have the same score in every resample" in shown and shown.count("in every resample") == 1
    constant = [replace(each, resampled={0: np.zeros(1000)}) for each in (one, other)]
    assert "in every resample" not in Comparison(tmp_path, tmp_path, constant, []).table()


def test_no_command_is_told_for_what_is_no_method_of_ours(tmp_path):
    best = of("nnU-Net", 0.9)
    best = replace(best, row={**best.row, "arguments": '{"method": "nnU-Net"}'})
    shown = Comparison(tmp_path, tmp_path, [best, LEVEL[2]], []).table()
    assert "Take nnU-Net" in shown and "With the settings" not in shown and "--method" not in shown


def test_compare_says_so_where_nothing_is_sure(tmp_path):
    """Without resamples the highest score, on different cases none."""
    shown = Comparison(tmp_path, tmp_path, [replace(each, resampled={}) for each in LEVEL], []).table()
    assert "DVPT has the highest score, of which no resamples tell" in shown and "settings of DVPT:" in shown
    assert not chances([replace(each, resampled={0: np.full(1000, np.nan)}) for each in LEVEL])
    shown = Comparison(tmp_path, tmp_path, [LEVEL[0], replace(LEVEL[1], cases=40)], []).table()
    assert "Nothing can be recommended: scored on different cases" in shown and "--method" not in shown


def test_what_is_open_is_said_to_be_open():
    ranked = chances([of("DVPT", 0.75, 0.05), of("LoRA", 0.74, 0.05), of("LinearProbe", 0.5)])
    text = advice(ranked)
    assert text.startswith("Not decided: DVPT is the best in") and "50 cases and 1 seed" in text
    assert sum(each.best for each in ranked) == pytest.approx(1)


def test_one_method_is_no_comparison():
    assert "needs another method" in advice(chances([of("DVPT", 0.7)]))


def test_other_cases_are_not_compared():
    with pytest.raises(DataError, match="DVPT on 50, LoRA on 40"):
        chances([of("DVPT", 0.7), of("LoRA", 0.7, cases=40)])


def write(out, row, run, value, **cells):
    folder = out / "runs" / run.key
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "resampled.npy", value + CASES)
    add_row(out / "runs.csv", row(run, value, **cells))


def test_it_reads_what_there_is_so_far(tmp_path, study, row):
    small = study(trials=1, seeds=2, fractions=(0.4, 1.0))
    for run in small.ready({})[:-1]:  # the last seed is still to come
        write(tmp_path, row, run, 0.7 if str(run.entrant) == "DVPT" else 0.6)
    by_fraction = recommended(tmp_path)
    assert list(by_fraction) == [0.4, 1.0] and len(by_fraction[1.0][1].scores.values) == 1
    text = recommendation(by_fraction)
    assert text.count("Take DVPT: it is the best in 100% of the resamples") == 2
    assert "40 labelled cases, 40% of them all" in text


def test_of_a_search_that_was_repeated_the_last_choice_counts(tmp_path, study, row):
    [run, *_] = study(trials=1).ready({})
    write(tmp_path, row, run, 0.2, finished="2026-01-01", settings='{"learning_rate": 1}')
    other = study(trials=1, seeds=1, options={"epochs": 3}).ready({})[0]
    write(tmp_path, row, other, 0.9, finished="2026-01-02")
    assert recommended(tmp_path)[1.0][0].scores.value == 0.9


def test_nothing_scored_and_mixed_comparisons_are_refused(tmp_path, study, row):
    with pytest.raises(DataError, match="no run has been scored yet"):
        recommended(tmp_path)
    one, other = study(trials=1).ready({})[:2]
    write(tmp_path, row, one, 0.2)
    write(tmp_path, row, other, 0.2, options='{"epochs": 3}')
    with pytest.raises(DataError, match="rows of several comparisons"):
        recommended(tmp_path)
