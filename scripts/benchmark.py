"""The studies behind docs/results.md: comparisons with fixed settings, and controls that are more than a method.

    python scripts/benchmark.py run STUDY [--jobs 2] [--device cuda] [--OPTION VALUE]
    python scripts/benchmark.py keep STUDY    # into benchmarks/
    python scripts/benchmark.py table STUDY   # from benchmarks/, without a run
    python scripts/benchmark.py difference STUDY:METHOD[:FRACTION] STUDY:METHOD[:FRACTION]   # also of two studies

Studies stand in benchmark_studies.py. Runs, table and figures lie under ``runs/STUDY``; a call that is repeated goes
on, and prints the table of a study that is done.
"""

import shutil
from pathlib import Path
from typing import Any

import fire
from benchmark_studies import STUDIES

from dvpt_monai.compare import compare, compared
from dvpt_monai.compare.recommend import scored_rows
from dvpt_monai.compare.scores import Scores, scores
from dvpt_monai.compare.scores import difference as score_difference

ROOT = Path(__file__).resolve().parents[1]


def run(study: str, jobs: int = 1, out: str | None = None, **options: Any) -> str:
    """Make every run of a study that is not done, and give its table.

    Args:
        study: fundus, for example; a name that there is not lists them all.
        jobs: runs at a time; each takes its share of the cores.
        out: folder of the runs.
        options: of the bundle, such as ``device``.
    """
    settings = _settings(study)
    bundle = ROOT / "bundles" / settings.pop("bundle")
    options = {**settings.pop("options"), **options}
    folder = ROOT / "runs" / study if out is None else out
    return compare(bundle, out=folder, jobs=jobs, options=options, **{"trials": 1, **settings}).table()


def keep(study: str, out: str | None = None) -> str:
    """Copy the rows and resamples of a study into ``benchmarks``, where they are committed; gives its table."""
    _settings(study)
    folder = ROOT / "runs" / study if out is None else Path(out)
    if not (folder / "runs.csv").is_file():
        raise SystemExit(f"{folder} has no runs.csv; python scripts/benchmark.py run {study} makes it")
    kept = ROOT / "benchmarks" / study
    for file in (folder / "runs.csv", *folder.glob("runs/*/resampled.npy")):
        place = kept / file.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return table(study)


def table(study: str) -> str:
    """The table of a study that is kept; makes ``table.md`` and its figures again."""
    return compared(_kept(study), ROOT / "bundles" / _settings(study)["bundle"] / "configs" / "train.json").table()


def difference(one: str, other: str) -> str:
    """How much better one method of a kept study is than another, paired by the cases that both were scored on.

    Args:
        one: STUDY:METHOD, or STUDY:METHOD:FRACTION of the labels.
        other: likewise; of another study too, where the same cases are scored.
    """
    first, second = _scores(one), _scores(other)
    if (first.metric, first.cases, first.row["stage"]) != (second.metric, second.cases, second.row["stage"]):
        raise SystemExit(f"{one} and {other} were not scored on the same cases by the same metric")
    gap, ends = score_difference(first, second)
    return f"{one} minus {other}: {gap:+.3f} [{ends.low:+.3f}, {ends.high:+.3f}] {first.metric}, {first.cases} cases"


def _scores(name: str) -> Scores:
    study, _, rest = str(name).partition(":")
    method, _, fraction = rest.partition(":")
    kept = _kept(study)
    there = {(each.method, each.fraction): each for each in scores(scored_rows(kept), kept)}
    try:
        return there[method, float(fraction or 1)]
    except (KeyError, ValueError):
        known = ", ".join(f"{study}:{method}:{share:g}" for method, share in there)
        raise SystemExit(f"no {name!r}; there is {known}") from None


def _kept(study: str) -> Path:
    _settings(study)
    kept = ROOT / "benchmarks" / study
    if not (kept / "runs.csv").is_file():
        raise SystemExit(f"nothing of {study} is kept; python scripts/benchmark.py keep {study} does, after its runs")
    return kept


def _settings(study: str) -> dict[str, Any]:
    if study not in STUDIES:
        raise SystemExit(f"no study {study!r}; there is {', '.join(STUDIES)}")
    return dict(STUDIES[study])


if __name__ == "__main__":
    fire.Fire({"run": run, "keep": keep, "table": table, "difference": difference})
